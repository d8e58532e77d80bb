//! `nexus exec --require` runs a command only with complete protection. Files that do not exist yet are the exception.

use super::{HELD, Scene};
use std::{fs, os::unix::fs::symlink};

const WRITES: [&str; 3] = ["sh", "-c", "echo x > src/own.rs; exit 7"];

#[tokio::test]
async fn without_a_server_a_required_protection_runs_nothing_whatever_the_policy() {
    let scene = Scene::start().await;
    let required = ["nexus", "exec", "--require", "--"];
    let mut away = scene.command(&[&required[..], &WRITES].concat());
    away.env("NEXUS_SERVER", "http://127.0.0.1:1").env("NEXUS_HOOK_POLICY", "fail-open");
    let output = away.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("--require: nothing runs until a server answers"), "{said}");
    // Without a login.
    let mut unknown = scene.command(&[&required[..], &WRITES].concat());
    let empty = tempfile::tempdir().expect("a folder");
    unknown.env("NEXUS_HOME", empty.path()).env("NEXUS_HOOK_POLICY", "fail-open").env_remove("NEXUS_TOKEN");
    let output = unknown.output().expect("it can be run");
    assert!(!output.status.success() && output.status.code() != Some(7), "{output:?}");
    assert_eq!(scene.text("src/own.rs"), "first\n");
}

#[tokio::test]
async fn on_a_system_without_namespaces_a_required_protection_runs_nothing() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    // Mounts are possible here, but no user namespace in which they are locked.
    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let within = |words: &[&str]| scene.runs(&[&["unshare", "-r", "sh", "-c", none, "_"], words].concat());
    let ended = within(&["nexus", "exec", "--", "sh", "-c", "echo x > src/db.rs; umount src/db.rs; exit 7"]);
    assert_eq!((ended.code, scene.text(HELD).as_str()), (7, "first\n"), "{ended:#?}");
    assert!(ended.stderr.contains("no user namespace"), "{ended:#?}");
    let ended = within(&[&["nexus", "exec", "--require", "--"][..], &WRITES].concat());
    assert_eq!((ended.code, scene.text("src/own.rs").as_str()), (1, "first\n"), "{ended:#?}");
    assert!(ended.stderr.contains("the command was not run: "), "{ended:#?}");
}

#[tokio::test]
async fn with_a_held_file_that_cannot_be_protected_a_required_protection_runs_nothing() {
    let scene = Scene::start().await;
    if !scene.gives_namespaces() {
        return;
    }
    let runs = |require: &[&str]| scene.runs(&[&["nexus", "exec"], require, &["--"], &WRITES].concat());
    scene.ben_claims(&["docs/new.md", "lib/**/*.txt"]).await;
    let ended = runs(&["--require"]);
    assert_eq!(ended.code, 7, "a file that does not exist is the exception: {ended:#?}");
    assert!(ended.stderr.contains("docs/new.md does not exist yet"), "{ended:#?}");
    symlink("notes.md", scene.root().join("docs/link.md")).expect("a link can be made");
    scene.ben_claims(&["docs/link.md"]).await;
    assert_eq!(runs(&[]).code, 7);
    fs::write(scene.root().join("src/own.rs"), "second\n").expect("it can be written");
    let ended = runs(&["--require"]);
    assert_eq!((ended.code, scene.text("src/own.rs").as_str()), (1, "second\n"), "{ended:#?}");
    assert!(ended.stderr.contains("docs/link.md is a symbolic link"), "{ended:#?}");
}
