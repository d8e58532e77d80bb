//! Backups on a schedule: one node at a time takes them, whoever leads and whoever is lost; nothing half-made has the
//! name of a backup; and a cluster comes back from the folder.

use nexus_api_types::Moment;
use nexus_tests::{Cluster, Team, cluster::Node, eventually, patience::within, programs::binary};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use uuid::Uuid;

/// The time between two backups.
const EVERY: &str = "2s";

/// The output of a command of nexusd that succeeds.
fn done(args: &[&str]) -> String {
    let output = Command::new(binary("nexusd")).args(args).env_clear().stdin(Stdio::null()).output();
    let output = output.expect("nexusd can be started");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The files with the name of a scheduled backup, in the order of time.
fn backups(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("nexus-") && name.ends_with(".backup")
    });
    found.sort();
    found
}

/// The number of files that are being written, or were left behind.
fn unfinished(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().contains(".backup#")).count()
}

async fn until_there_are(folder: &Path, count: usize) -> Vec<PathBuf> {
    eventually(&format!("there are {count} backups"), || async {
        Some(backups(folder)).filter(|found| found.len() >= count)
    })
    .await
}

/// The scheduled backups of all nodes, as one of them shows them.
async fn shown(team: &Team, url: &str) -> Vec<Value> {
    let status = team.admin.via(url).get("/cluster/status").await;
    let nodes = status.data()["nodes"].as_array().expect("a list").clone();
    nodes.into_iter().map(|node| node["backups"].clone()).collect()
}

fn with_backups(node: &mut Node, folder: &Path, keep: &str) {
    let to = text(folder);
    node.add_flags(&["--backup-to", &to, "--backup-every", EVERY, "--backup-keep", keep]);
}

#[tokio::test]
async fn one_node_at_a_time_takes_backups_whoever_leads_and_whoever_is_lost() {
    let mut cluster = Cluster::prepare(3, &[]);
    let folder = cluster.folder().join("backups");
    for node in &mut cluster.nodes {
        with_backups(node, &folder, "4");
        node.start();
    }
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    until_there_are(&folder, 1).await;
    fs::write(folder.join("monday.backup"), "somebody else's").expect("the folder can be written");

    // The leader is lost, and then the node that takes backups: somebody takes the next one in any case.
    for _ in 0..2 {
        let newest = backups(&folder).pop();
        let leader = cluster.leader().await;
        cluster.node(leader).kill();
        within(Duration::from_secs(60), "there is a newer backup", || async {
            backups(&folder).pop().filter(|found| Some(found) > newest.as_ref())
        })
        .await;
        cluster.node(leader).start();
        cluster.all_ready().await;
    }
    let taken = until_there_are(&folder, 4).await;
    assert!(taken.len() <= 5, "older ones are deleted: {taken:?}");
    assert!(folder.join("monday.backup").exists(), "a file of somebody else stays");
    for backup in backups(&folder) {
        done(&["check-backup", &text(&backup)]);
    }
    let listed: Value =
        serde_json::from_str(&done(&["backups", &text(&folder), "--json"])).expect("it prints JSON");
    let times: Vec<i64> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|backup| {
            let at = Moment::parse(backup["at"].as_str().expect("a time"));
            at.expect("a time").as_millis() / 1_000
        })
        .collect();
    // Names have whole seconds, so that two seconds may look like one.
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1), "two at once: {times:?}");

    let url = cluster.node(1).url();
    let schedules = within(Duration::from_secs(30), "all nodes report", || async {
        Some(shown(&team, &url).await).filter(|all| all.iter().all(|backups| backups["lastAt"].is_string()))
    })
    .await;
    for backups in &schedules {
        assert_eq!((&backups["to"], &backups["everySeconds"]), (&json!(text(&folder)), &json!(2)));
    }
    let metrics = reqwest::get(format!("{url}/metrics")).await.expect("the node answers");
    let metrics = metrics.text().await.expect("a text");
    for name in ["nexus_scheduled_backup_last_timestamp_seconds", "nexus_scheduled_backups_total"] {
        assert!(metrics.contains(name), "{name}");
    }
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn a_node_that_is_killed_in_the_middle_leaves_nothing_that_is_taken_for_a_backup() {
    let mut cluster = Cluster::prepare(1, &[]);
    let folder = cluster.folder().join("backups");
    with_backups(cluster.node(1), &folder, "100");
    cluster.node(1).start();
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    for number in 0..100 {
        let slug = format!("feature-{number}");
        // It compresses badly, so that a backup takes some time to write.
        let spec: String = (0..5_000).map(|_| Uuid::new_v4().simple().to_string()).collect();
        let body = json!({ "slug": slug, "title": "t", "spec": spec });
        team.admin.post(&team.path("/features"), body).await.data();
    }
    let mut hits = 0;
    for _ in 0..5 {
        let before = unfinished(&folder);
        let seen = within(Duration::from_secs(60), "a backup is being written", || async {
            (unfinished(&folder) > before).then_some(())
        });
        seen.await;
        cluster.node(1).kill();
        // It may have been finished in the moment before.
        hits += unfinished(&folder) - before;
        for backup in backups(&folder) {
            done(&["check-backup", &text(&backup)]);
        }
        cluster.node(1).start();
        cluster.all_ready().await;
    }
    assert!(hits > 0, "no kill came in the middle");
    let count = backups(&folder).len();
    until_there_are(&folder, count + 1).await;
}

#[tokio::test]
async fn a_cluster_comes_back_from_the_newest_backup_of_a_folder() {
    let mut lost = Cluster::prepare(1, &[]);
    let folder = lost.folder().join("backups");
    with_backups(lost.node(1), &folder, "3");
    lost.node(1).start();
    lost.all_ready().await;
    let team = Team::of(&lost).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let written = team.admin.get("/cluster/status").await.revision();
    until_there_are(&folder, 1).await;
    eventually("a backup has the feature", || async {
        let listed: Value = serde_json::from_str(&done(&["backups", &text(&folder), "--json"])).ok()?;
        let newest = listed.as_array()?.last()?.clone();
        (newest["revision"].as_u64()? >= written).then_some(())
    })
    .await;
    lost.node(1).kill();

    let restored = lost.folder().join("restored");
    let newest = backups(&folder).pop().expect("there is one");
    let printed = done(&["restore", "--from", &text(&folder), "--data-dir", &text(&restored)]);
    assert!(printed.contains(&text(&newest)), "{printed}");
    let hash = |printed: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix("State hash"));
        line.expect("a hash").trim().to_owned()
    };
    assert_eq!(hash(&printed), hash(&done(&["check-backup", &text(&newest)])));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_reported_and_stops_nothing() {
    let mut cluster = Cluster::prepare(1, &[]);
    let folder = cluster.folder().join("backups");
    fs::write(&folder, "no folder").expect("the test folder can be written");
    with_backups(cluster.node(1), &folder, "3");
    cluster.node(1).start();
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    let url = cluster.node(1).url();
    let failing = eventually("the failure is shown", || async {
        let backups = shown(&team, &url).await.pop()?;
        (backups["failures"].as_u64()? > 0).then_some(backups)
    })
    .await;
    let why = failing["lastFailure"].as_str().expect("a reason");
    assert!(why.contains(&text(&folder)), "{why}");
    // Somebody repairs it.
    fs::remove_file(&folder).expect("it is there");
    until_there_are(&folder, 1).await;
    eventually("the failure is over", || async {
        shown(&team, &url).await.pop()?["lastFailure"].is_null().then_some(())
    })
    .await;
}
