//! Files that match wildcards of others are protected like files that are held by name: also those that Git does not
//! list, and those that are made while the command runs.

use super::{HELD, Scene, Shell};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn files_that_git_does_not_list_are_protected_and_stop_no_command() {
    let scene = Scene::start().await;
    let root = scene.root();
    fs::write(root.join(".gitignore"), "/src/gen.rs\n").expect("it can be written");
    fs::write(root.join("src/gen.rs"), "first\n").expect("it can be written");
    for inner in ["lib/inner", "lib/module"] {
        scene.checkout.git(&root, &["init", "-q", inner]);
        fs::write(root.join(inner).join("c.rs"), "first\n").expect("it can be written");
    }
    scene.checkout.git(&root.join("lib/module"), &["add", "-A"]);
    scene.checkout.git(&root.join("lib/module"), &["commit", "-q", "-m", "First"]);
    scene.checkout.git(&root, &["-c", "advice.addEmbeddedRepo=false", "add", "lib/module"]);
    scene.ben_claims(&["src/**/*.rs", "lib/**/*.rs"]).await;
    let explained = scene.runs(&["nexus", "exec", "--explain", "--json"]).done().json();
    let protected = &explained["checkouts"][0]["protected"];
    let expected = [
        "lib/deep/b.rs",
        "lib/inner/c.rs",
        "lib/module/c.rs",
        "src/auth/a.rs",
        "src/db.rs",
        "src/gen.rs",
        "src/own.rs",
    ];
    assert_eq!(protected, &json!(expected), "{explained}");
    if !scene.gives_namespaces() {
        return;
    }
    for file in ["src/gen.rs", "lib/inner/c.rs", "lib/module/c.rs"] {
        let line = format!("echo x > {file}");
        let ended = scene.runs(&["nexus", "exec", "--require", "--", "bash", "-c", &line]);
        assert!(ended.stderr.contains("Read-only file system"), "{ended:#?}");
        assert_eq!(scene.text(file), "first\n");
    }
    // An existing file that cannot be mounted over is enough to run nothing.
    std::os::unix::fs::symlink("own.rs", root.join("src/link.rs")).expect("a link can be made");
    let ended = scene.runs(&["nexus", "exec", "--require", "true"]);
    assert!(ended.code == 1 && ended.stderr.contains("src/link.rs is a symbolic link"), "{ended:#?}");
}

#[tokio::test]
async fn an_own_wildcard_leaves_exact_files_of_others_protected() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let root = scene.root();
    fs::create_dir(root.join("config")).expect("a folder can be made");
    fs::write(root.join("config/local.env"), "first\n").expect("it can be written");
    fs::write(root.join(".gitignore"), "*.env\n").expect("it can be written");
    scene.runs(&["nexus", "claim", "**/*.md"]).done();
    scene.ben_claims(&["config/local.env", "lib/**/*.rs"]).await;
    let require = |line: &str| scene.runs(&["nexus", "exec", "--require", "--", "bash", "-c", line]);
    require("echo x > docs/notes.md").done();
    for file in ["config/local.env", "lib/deep/b.rs", HELD] {
        assert_ne!(require(&format!("echo x > {file}")).code, 0, "{file}");
        assert_eq!(scene.text(file), "first\n");
    }
}

#[tokio::test]
async fn a_file_that_is_made_under_a_held_wildcard_becomes_read_only_soon() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    scene.ben_claims(&["src/*.rs", "new/**/*.rs"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell::start(scene.command(&["nexus", "exec", "--", "bash"]), folder.path());
    // Its holder makes one; the command makes another, in a new folder.
    fs::write(scene.root().join("src/made.rs"), "second\n").expect("it can be written");
    shell.until("what its holder made is read-only", "src/made.rs", false).await;
    assert_eq!(shell.runs("mkdir -p new/deep && echo x > new/deep/made.rs && echo x > src/made.md"), 0);
    shell.until("so is what was made in a new folder", "new/deep/made.rs", false).await;
    assert!(shell.can_write("src/made.md"));
    scene.ben_releases(&["src/*.rs"]).await;
    shell.until("what is given back can be written", "src/made.rs", true).await;
    assert!(!shell.can_write(HELD), "the file is still held by its name");
    // A claim on everything includes new files in the root.
    scene.ben_claims(&["**"]).await;
    shell.until("all is read-only", "docs/notes.md", false).await;
    fs::create_dir(scene.root().join("more")).expect("a folder can be made");
    fs::write(scene.root().join("more.md"), "first\n").expect("it can be written");
    shell.until("a new file is, too", "more.md", false).await;
    shell.until("so is a new folder", "more/made.md", false).await;
}
