//! Names that are not UTF-8, and names that the kernel's list of mounts escapes, are protected like all others.

use super::Scene;
use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Output,
};

/// A copy of the checkout under another name, beside it.
fn renamed(scene: &Scene, name: &[u8]) -> PathBuf {
    let root = scene.root().with_file_name(OsStr::from_bytes(name));
    let copied = scene.command(&["cp", "-a", "."]).arg(&root).status().expect("it can be run");
    assert!(copied.success());
    root
}

fn runs(scene: &Scene, at: &Path, words: &[&str]) -> Output {
    scene.command(words).current_dir(at).output().expect("it can be run")
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_protected_and_stops_no_command() {
    let scene = Scene::start().await;
    let root = renamed(&scene, b"not \xff text");
    let writes = |line: &str| runs(&scene, &root, &["nexus", "exec", "--require", "--", "bash", "-c", line]);
    let protects = scene.gives_namespaces();
    if protects {
        let ended = writes("echo mine > src/own.rs && ! echo x > src/db.rs");
        assert!(ended.status.success(), "{ended:?}");
    }
    // A file in the root, with a claim on everything.
    let file = root.join(OsStr::from_bytes(b"\xfe.rs"));
    fs::write(&file, "first\n").expect("it can be written");
    scene.ben_releases(&[super::HELD]).await;
    scene.ben_claims(&["**"]).await;
    let ended = runs(&scene, &root, &["nexus", "exec", "--explain", "--json"]);
    assert!(ended.status.success(), "{ended:?}");
    if protects {
        let ended = writes("! echo x > $'\\xfe.rs' && ! echo x > src/own.rs && ! mv $'\\xfe.rs' other");
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "first\n");
    }
}

#[tokio::test]
async fn foreign_mounts_in_a_held_folder_stay_visible_whatever_their_names() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    scene.ben_claims(&["src/auth/"]).await;
    for name in ["sp ace", "ta\tb", "line\nend", "back\\040slash"] {
        let root = renamed(&scene, name.as_bytes());
        fs::create_dir(root.join("src/auth/vol ume")).expect("a folder can be made");
        let line = "mount -t tmpfs t 'src/auth/vol ume' && echo seen > 'src/auth/vol ume/file' && \
                    nexus exec --require -- sh -c 'cat src/auth/vol*/file; ! echo x > src/auth/a.rs && \
                    ! touch src/auth/vol*/file && ! rm src/auth/vol*/file'";
        let ended = runs(&scene, &root, &["unshare", "-rm", "sh", "-c", line]);
        assert_eq!(
            (ended.status.code(), ended.stdout.as_slice()),
            (Some(0), &b"seen\n"[..]),
            "{name:?}: {ended:?}"
        );
    }
}
