//! Data folders, snapshots and backups of earlier versions, which every later version has to read: tests/data/golden
//! has one folder for each. What was recorded when it was made has to come out for ever.
//!
//! With `NEXUS_BLESS=1`, the folder of this version is made if there is none. An existing one is never made again.

use nexus_tests::{Cluster, Team, eventually, former::present_rules, history, programs::binary};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Bytes that a golden folder may take, so that the repository stays small.
const MAX_BYTES: u64 = 1 << 20;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join("golden")
}

/// Copies a folder, without what RocksDB writes for people and for other processes. Returns the bytes.
fn copy(from: &Path, to: &Path) -> u64 {
    fs::create_dir_all(to).expect("a folder for the copy");
    let mut bytes = 0;
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let name = entry.file_name();
        let is_needed = !name.to_string_lossy().starts_with("LOG") && name != "LOCK";
        if entry.path().is_dir() {
            bytes += copy(&entry.path(), &to.join(name));
        } else if is_needed {
            bytes += fs::copy(entry.path(), to.join(name)).expect("it can be copied");
        }
    }
    bytes
}

/// Makes the golden folder of this version.
async fn make(place: &Path) {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    eventually("the cluster goes by the newest rules", || async {
        (team.admin.get("/cluster/status").await.data()["rules"] == present_rules()).then_some(())
    })
    .await;
    let ana = team.engineer("ana").await;
    for number in 0..6 {
        team.ready_feature(&format!("feature-{number}"), &[&format!("src/{number}/**"), "docs/[id]/page.md"])
            .await;
    }
    let session = ana.client.post("/sessions", json!({ "projectId": team.project })).await;
    let session = session.body["data"]["id"].as_str().map(str::to_owned);
    let client = session.map_or_else(|| ana.client.clone(), |session| ana.client.acting_as(session));
    let picked = client.post(&team.path("/features/feature-0/pick"), json!({})).await;
    assert!(picked.status.is_success(), "{picked:?}");
    let learning = json!({ "title": "It is so", "content": "because", "category": "pattern" });
    let _ = client.post(&team.path("/learnings"), learning).await;
    team.admin.post("/cluster/snapshot", json!({})).await.data();
    team.ready_feature("after-the-snapshot", &["a"]).await;
    let backup = team.admin.open("/cluster/backup").await.expect("the node answers");
    let backup = backup.bytes().await.expect("it comes whole");
    cluster.node(1).terminate();
    let data_dir = cluster.node(1).data_dir();
    let mut bytes = backup.len() as u64;
    for part in ["db", "files"] {
        bytes += copy(&data_dir.join(part), &place.join("data").join(part));
    }
    assert!(bytes < MAX_BYTES, "{bytes} bytes are too many for the repository");
    fs::write(place.join("backup"), &backup).expect("it can be written");
    let read = history::check(&data_dir).await;
    let recorded = json!({ "revision": read.revision, "hash": format!("{:016x}", read.hash), "picks": read.picks,
        "backup": checked(&place.join("backup")) });
    let text = serde_json::to_string_pretty(&recorded).expect("texts and numbers");
    fs::write(place.join("recorded.json"), text + "\n").expect("it can be written");
}

/// Runs `nexusd check-backup`, and returns the lines that it prints.
fn checked(backup: &Path) -> Vec<String> {
    let output = Command::new(binary("nexusd")).arg("check-backup").arg(backup).output();
    let output = output.expect("nexusd can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_an_earlier_version_has_written_is_read_for_ever() {
    let present = golden().join(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("NEXUS_BLESS").is_some() && !present.exists() {
        make(&present).await;
    }
    assert!(present.exists(), "this version has no golden folder: run this test with NEXUS_BLESS=1");
    for version in fs::read_dir(golden()).expect("there are golden folders").flatten() {
        let version = version.path();
        println!("{}", version.display());
        let recorded = fs::read(version.join("recorded.json")).expect("what was recorded");
        let recorded: Value = serde_json::from_slice(&recorded).expect("it is JSON");
        let folder = tempfile::tempdir().expect("a folder for the test");
        let data = folder.path().join("data");
        copy(&version.join("data"), &data);
        // The snapshot in it is read, too: a start renames one that is damaged.
        let read = history::check(&data).await;
        assert_eq!(recorded["revision"], read.revision);
        assert_eq!(recorded["hash"], format!("{:016x}", read.hash));
        assert_eq!(recorded["picks"], read.picks);
        let files = fs::read_dir(data.join("files")).expect("files").flatten();
        let snapshots =
            files.filter(|file| file.file_name().to_string_lossy().starts_with("snapshot-")).count();
        assert_eq!(snapshots, 1);

        let backup = version.join("backup");
        let printed: Vec<Value> = checked(&backup).into_iter().map(Value::from).collect();
        assert_eq!(recorded["backup"], Value::from(printed));
        let restored = folder.path().join("restored");
        let output = Command::new(binary("nexusd"))
            .args(["restore", "--from"])
            .arg(&backup)
            .arg("--data-dir")
            .arg(&restored)
            .args(["--peer-advertise", "127.0.0.1:7501", "--advertise", "127.0.0.1:7401"])
            .output()
            .expect("nexusd can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        history::check(&restored).await;
    }
}
