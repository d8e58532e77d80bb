//! A backup through any node is complete and shows one moment. A damaged backup is refused by `nexusd check-backup`.

use nexus_tests::{Client, Cluster, Node, Team, contract::is_sound, eventually, programs::binary};
use reqwest::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 32;

async fn take(client: &Client) -> (reqwest::header::HeaderMap, Vec<u8>) {
    let response = client.open("/cluster/backup").await.expect("the node answers");
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    (headers, response.bytes().await.expect("it comes whole").to_vec())
}

fn check(file: &Path) -> Output {
    let checked = Command::new(binary("nexusd")).arg("check-backup").arg(file).output();
    checked.expect("nexusd can be started")
}

/// Checks a valid backup. Returns the output of the check.
fn check_whole(file: &Path) -> String {
    let checked = check(file);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    String::from_utf8_lossy(&checked.stdout).into_owned()
}

fn field(printed: &str, name: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {printed}")).trim().to_owned()
}

/// A text that compresses badly, so that a snapshot has some size.
fn noise(bytes: usize) -> String {
    (0..bytes / 32).map(|_| Uuid::new_v4().simple().to_string()).collect()
}

async fn fill(team: &Team, features: usize, spec_bytes: usize) {
    for number in 0..features {
        let slug = format!("feature-{number}");
        let body = json!({ "slug": slug, "title": "t", "spec": noise(spec_bytes), "touches": [slug] });
        team.admin.post(&team.path("/features"), body).await.data();
    }
}

/// Deleted files that a node's process still has open, and temporary files in its folder.
fn leftovers(node: &Node) -> Vec<String> {
    let snapshots = fs::read_dir(node.data_dir().join("files")).expect("the data folder is there");
    let names = snapshots.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.contains("unfinished")).collect();
    let open = node.open_files().into_iter().map(|path| path.display().to_string());
    found.extend(open.filter(|path| path.contains("snapshot-") && path.ends_with("(deleted)")));
    found
}

#[tokio::test]
async fn a_backup_through_any_node_has_every_acknowledged_write() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    fill(&team, 20, 2_000).await;
    let status = team.admin.get("/cluster/status").await;
    let id = status.data()["clusterId"].as_str().expect("an id").to_owned();
    for (at, node) in cluster.nodes.iter().enumerate() {
        // Written through another node right before the backup.
        let written =
            team.admin.post(&team.path("/decisions"), json!({ "title": "t", "decision": "d" })).await;
        let (headers, bytes) = take(&team.admin.via(node.url())).await;
        let text = |name: &str| headers[name].to_str().expect("a text").to_owned();
        let revision: u64 = text("x-nexus-revision").parse().expect("a revision");
        assert!(revision >= written.revision(), "{revision} is before {}", written.revision());
        assert_eq!(text("content-type"), "application/octet-stream");
        let name = format!("nexus-{id}-{revision}.backup");
        assert_eq!(text("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert!(headers.contains_key("x-request-id"));
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        assert_eq!(Sha256::digest(body)[..], *checksum, "a backup ends with its checksum");

        let file = cluster.folder().join(name);
        fs::write(&file, &bytes).expect("the test folder can be written");
        let printed = check_whole(&file);
        let field = |name: &str| field(&printed, name);
        assert_eq!((field("Cluster"), field("Revision")), (id.clone(), revision.to_string()));
        // One spec per feature, and one decision per round.
        assert_eq!(field("Documents"), (21 + at).to_string());
        assert_eq!(field("Bytes"), bytes.len().to_string());
        let key = team.admin.key().expect("a key").as_bytes();
        assert!(!body.windows(key.len()).any(|window| window == key), "a backup contains no key");
    }
}

#[tokio::test]
async fn a_backup_during_writes_shows_one_moment() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let (stop, counts) = (Arc::<AtomicBool>::default(), Arc::<(AtomicUsize, AtomicUsize)>::default());
    let mut writers = Vec::new();
    for url in cluster.urls() {
        let (team, stop, counts) = (team.clone(), stop.clone(), counts.clone());
        let client = team.admin.via(url);
        writers.push(tokio::spawn(async move {
            let (sent, acknowledged) = &*counts;
            while !stop.load(Ordering::SeqCst) {
                sent.fetch_add(1, Ordering::SeqCst);
                let body = json!({ "title": "t", "decision": noise(500) });
                client.post(&team.path("/decisions"), body).await.data();
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    let (sent, acknowledged) = &*counts;
    for (at, url) in cluster.urls().into_iter().cycle().take(6).enumerate() {
        eventually("they write on", || async {
            (acknowledged.load(Ordering::SeqCst) > 20 * (at + 1)).then_some(())
        })
        .await;
        let before = acknowledged.load(Ordering::SeqCst);
        let (_, bytes) = take(&team.admin.via(url)).await;
        let after = sent.load(Ordering::SeqCst);
        let file = cluster.folder().join("meanwhile");
        fs::write(&file, &bytes).expect("the test folder can be written");
        // This also checks that the rows have the state hash of the revision.
        let documents: usize = field(&check_whole(&file), "Documents").parse().expect("a number");
        assert!((before..=after).contains(&documents), "{before} {documents} {after}");
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("no write failed");
    }
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn a_truncated_or_changed_backup_is_refused() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    fill(&team, 5, 1_000).await;
    let (_, bytes) = take(&team.admin).await;
    let file = cluster.folder().join("damaged");
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for length in [0, 1, CHECKSUM, CHECKSUM + 1, bytes.len() / 2, bytes.len() - CHECKSUM, bytes.len() - 1] {
        damaged.push((format!("cut after {length}"), bytes[..length].to_vec()));
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 20).chain([bytes.len() - 1]) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        damaged.push((format!("a bit of byte {at}"), flipped.clone()));
        // A change with a corrected checksum of the file is detected by the checksums of the records.
        if at < bytes.len() - CHECKSUM {
            let body = bytes.len() - CHECKSUM;
            let fitting = Sha256::digest(&flipped[..body]);
            flipped[body..].copy_from_slice(&fitting);
            damaged.push((format!("a bit of byte {at}, with another checksum"), flipped));
        }
    }
    let longer = [&bytes[..], b"more"].concat();
    damaged.push(("more behind it".to_owned(), longer));
    for (what, bytes) in damaged {
        fs::write(&file, bytes).expect("the test folder can be written");
        let checked = check(&file);
        assert_eq!(checked.status.code(), Some(1), "{what}");
        let printed = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(
            printed.contains("cannot be relied on") && !printed.contains("panicked"),
            "{what}: {printed}"
        );
        assert!(checked.stdout.is_empty(), "{what}");
    }
    let gone = check(&cluster.folder().join("no-such-file"));
    assert_eq!(gone.status.code(), Some(1));
}

#[tokio::test]
async fn only_an_admin_gets_a_backup_and_only_with_a_quorum() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await.client;
    let narrow = async |body: serde_json::Value| {
        let made = team.admin.post("/auth/keys", body).await;
        team.admin.with_key(made.data()["apiKey"].as_str().expect("a key"))
    };
    let readonly = narrow(json!({ "label": "r", "readonly": true })).await;
    let scoped = narrow(json!({ "label": "p", "projectId": team.project })).await;
    for (who, code) in [(&ana, "INSUFFICIENT_ROLE"), (&readonly, "FORBIDDEN"), (&scoped, "FORBIDDEN")] {
        let refused = who.get("/cluster/backup").await;
        is_sound(&refused);
        assert_eq!((refused.status.as_u16(), refused.code()), (403, code));
    }
    let refused = cluster.client().get("/cluster/backup").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (401, "UNAUTHORIZED"));
    let refused = team.admin.post("/cluster/backup", json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (405, "METHOD_NOT_ALLOWED"));

    for number in [2, 3] {
        cluster.node(number).kill();
    }
    let alone = team.admin.via(cluster.node(1).url());
    let refused = alone.get("/cluster/backup").await;
    is_sound(&refused);
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "SERVICE_UNAVAILABLE"));
    assert!(refused.headers.contains_key("retry-after"));
    // The copy of this node may be the only one left.
    let response = alone.open("/cluster/backup?consistency=stale").await.expect("the node answers");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("x-nexus-staleness-ms"));
    let file = cluster.folder().join("last");
    fs::write(&file, response.bytes().await.expect("it comes whole"))
        .expect("the test folder can be written");
    assert!(check(&file).status.success());
}

/// Requests a backup on a bare connection. The test decides when to read from it.
async fn ask_slowly(client: &Client) -> TcpStream {
    let addr = client.base().strip_prefix("http://").expect("plain HTTP").to_owned();
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut stream = socket.connect(addr.parse().expect("an address")).await.expect("the node listens");
    let key = client.key().expect("a key");
    let head =
        format!("GET /api/cluster/backup HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {key}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the node reads");
    stream
}

#[tokio::test]
async fn a_slow_client_gets_the_backup_of_its_request_and_a_client_that_disconnects_leaves_no_files() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    // More than the buffers between two processes hold.
    fill(&team, 80, 400_000).await;
    let resident = cluster.nodes[0].usage().expect("it runs").0;

    let (mut slow, mut gone) = (ask_slowly(&team.admin).await, ask_slowly(&team.admin).await);
    let mut beginning = vec![0; 2_000];
    for stream in [&mut slow, &mut gone] {
        stream.read_exact(&mut beginning).await.expect("the first bytes arrive");
        assert!(beginning.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&beginning));
    }
    // Meanwhile a newer snapshot replaces the one of the backup.
    fill(&Team { project: other_project(&team).await, ..team.clone() }, 3, 1_000).await;
    team.admin.post("/cluster/snapshot", json!({})).await.data();
    assert_eq!(leftovers(&cluster.nodes[0]).len(), 1, "the older snapshot is deleted, but still open");
    drop(gone);

    let head_end = beginning.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&beginning[..head_end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let length: usize = length.trim().parse().expect("a number");
    assert!(length > 80 * 400_000 / 2, "{length}");
    let mut bytes = beginning[head_end..].to_vec();
    let mut piece = vec![0; 64 << 10];
    while bytes.len() < length {
        let read = slow.read(&mut piece).await.expect("it goes on");
        assert!(read > 0, "it ended after {} of {length} bytes", bytes.len());
        bytes.extend_from_slice(&piece[..read]);
    }
    let file = cluster.folder().join("slow");
    fs::write(&file, &bytes).expect("the test folder can be written");
    assert_eq!(field(&check_whole(&file), "Documents"), "80", "no later write is in it");
    eventually("nothing is left of it", || async { leftovers(&cluster.nodes[0]).is_empty().then_some(()) })
        .await;
    let after = cluster.nodes[0].usage().expect("it runs").0;
    println!("{length} bytes sent; resident {resident} kB before, {after} kB after");
}

async fn other_project(team: &Team) -> String {
    let made = team.admin.post("/projects", json!({ "name": "Other", "slug": "other" })).await;
    made.data()["id"].as_str().expect("an id").to_owned()
}

/// Runs `nexus` in a folder, as the admin of the cluster.
fn nexus(cluster: &Cluster, client: &Client, args: &[&str]) -> Output {
    let ran = Command::new(binary("nexus"))
        .args(args)
        .current_dir(cluster.folder())
        .env_clear()
        .env("HOME", cluster.folder())
        .env("NEXUS_SERVER", cluster.urls().join(","))
        .env("NEXUS_TOKEN", client.key().unwrap_or_default())
        .output();
    ran.expect("nexus can be started")
}

#[tokio::test]
async fn the_command_keeps_only_complete_backups_and_replaces_no_file_without_a_flag() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    fill(&team, 5, 100_000).await;
    let file = cluster.folder().join("monday.backup");
    let run = |args: &[&str]| nexus(&cluster, &team.admin, args);
    let made = run(&["cluster", "backup", "-o", "monday.backup"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(String::from_utf8_lossy(&made.stdout).trim(), "monday.backup");
    assert!(check(&file).status.success());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o600, "only its owner can read it");

    let before = fs::read(&file).expect("it is there");
    let refused = run(&["cluster", "backup", "-o", "monday.backup"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(fs::read(&file).expect("it is there"), before);
    team.admin.post(&team.path("/decisions"), json!({ "title": "t", "decision": "d" })).await.data();
    assert!(run(&["cluster", "backup", "--force", "-o", "monday.backup"]).status.success());
    assert_ne!(fs::read(&file).expect("it is there"), before);

    let piped = run(&["cluster", "backup", "-o", "-"]);
    assert!(piped.status.success());
    fs::write(&file, &piped.stdout).expect("the test folder can be written");
    assert!(check(&file).status.success(), "stdout has the backup and nothing else");

    let named: serde_json::Value =
        serde_json::from_slice(&run(&["cluster", "backup", "--json"]).stdout).expect("JSON");
    let name = named["path"].as_str().expect("a name");
    assert!(name.starts_with("nexus-") && name.ends_with(".backup"), "{name}");
    assert!(check(&cluster.folder().join(name)).status.success());

    let ana = team.engineer("ana").await.client;
    let refused = nexus(&cluster, &ana, &["cluster", "backup", "-o", "ana.backup"]);
    assert_eq!(refused.status.code(), Some(1));
    let partial = || {
        let names = fs::read_dir(cluster.folder()).expect("the test folder is there");
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.contains("partial") || name.contains("ana")).collect::<Vec<_>>()
    };
    assert!(partial().is_empty(), "{:?}", partial());
    // A node that is not running is skipped.
    cluster.node(1).kill();
    let made = nexus(&cluster, &team.admin, &["cluster", "backup", "-o", "tuesday.backup"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(check(&cluster.folder().join("tuesday.backup")).status.success());
}
