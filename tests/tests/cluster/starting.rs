//! What goes wrong at a start is said in words that help, and leaves nothing behind.

use nexus_tests::{Cluster, cluster::binary};
use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

fn nexusd(words: &[&str]) -> Output {
    Command::new(binary("nexusd")).args(words).env_clear().output().expect("nexusd can be started")
}

fn refused(words: &[&str]) -> String {
    let output = nexusd(words);
    assert!(!output.status.success(), "{words:?} should be refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_second_node_on_the_same_folder_is_told_so() {
    let mut cluster = Cluster::start(1).await;
    let folder = cluster.node(1).data_dir();
    let mode = folder.metadata().expect("there is a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the folder is for its owner alone");
    let folder = folder.to_str().expect("a path of text").to_owned();
    let words = ["start", "--data-dir", &folder, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
    let said = refused(&words);
    assert!(said.contains("another process has this data folder open"), "{said}");
    assert!(!said.contains("LOCK"), "{said}");
    cluster.ready(1).await;
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_folder_behind() {
    let mut cluster = Cluster::start(1).await;
    let taken = cluster.node(1).peer_addr().to_owned();
    let folder = cluster.folder().join("new");
    let new = folder.to_str().expect("a path of text").to_owned();
    let initial = format!("1={taken}");
    let words =
        ["start", "--data-dir", &new, "--listen", "127.0.0.1:0", "--peer-listen", &taken, "--node-id", "1"];
    let said = refused(&[&words[..], &["--initial-cluster", &initial]].concat());
    assert!(said.contains("cannot listen for nodes on"), "{said}");
    assert!(!folder.exists());
    let said =
        refused(&["start", "--data-dir", &new, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"]);
    assert!(said.contains("is new and nothing says where this node belongs"), "{said}");
    assert!(!folder.exists());
    let said = refused(&["start", "--data-dir", &new, "--check-config", "--log", "bogus"]);
    assert!(said.contains("--log bogus is no level"), "{said}");
}
