//! A cluster that is lost comes back: from a backup as another cluster, or from the folder of the one node that is
//! left. Whatever outsiders hold from before is refused or marked, and nothing half-made is taken for whole.

use nexus_tests::{Client, Cluster, Socket, Team, eventually, programs::binary};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

fn nexusd(args: &[&str]) -> Output {
    let mut command = Command::new(binary("nexusd"));
    command.args(args).env_clear().stdin(Stdio::null()).output().expect("nexusd can be started")
}

/// The output of a command that succeeds.
fn done(args: &[&str]) -> String {
    let output = nexusd(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The error of a command that is refused.
fn refused(args: &[&str]) -> String {
    let output = nexusd(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("it prints text")
}

fn inspected(folder: &Path) -> Value {
    let printed = done(&["inspect", &text(folder), "--json"]);
    serde_json::from_str(&printed).expect("it prints JSON")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The field of an output that prints a name and a value on each line.
fn field(printed: &str, name: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {printed}")).trim().to_owned()
}

async fn take_backup(client: &Client, file: &Path) -> u64 {
    let response = client.open("/cluster/backup").await.expect("the node answers");
    let revision = response.headers()["x-nexus-revision"].to_str().expect("a text").parse();
    fs::write(file, response.bytes().await.expect("it comes whole")).expect("the test folder can be written");
    revision.expect("a number")
}

/// A cluster whose only node is not started, and the arguments that build a folder for it.
fn prepared() -> (Cluster, [String; 6]) {
    let cluster = Cluster::prepare(1, &[]);
    let node = &cluster.nodes[0];
    let folder = text(&node.data_dir());
    let args =
        ["--data-dir", &folder, "--peer-advertise", node.peer_addr(), "--advertise", addr(&node.url())]
            .map(str::to_owned);
    (cluster, args)
}

fn addr(url: &str) -> &str {
    url.trim_start_matches("http://")
}

fn with<'a>(first: &[&'a str], rest: &'a [String]) -> Vec<&'a str> {
    first.iter().copied().chain(rest.iter().map(String::as_str)).collect()
}

/// The credentials and numbers that somebody outside has of a cluster when it is lost.
struct Known {
    agent: Client,
    fence: u64,
    ticket: String,
    join_token: String,
    key: String,
    /// The revision before the first event, and one that is lost.
    cursor: u64,
}

async fn pick(team: &Team, agent: &Client, slug: &str) -> Value {
    agent.post(&team.path(&format!("/features/{slug}/pick")), json!({})).await.data().clone()
}

async fn fence_of(team: &Team, agent: &Client) -> u64 {
    let held = agent.get(&team.path("/claims/mine")).await;
    held.data()[0]["fence"].as_u64().expect("a fence")
}

async fn populate(team: &Team) -> Known {
    for number in 0..10 {
        let slug = format!("feature-{number}");
        team.ready_feature(&slug, &[&format!("src/{slug}/")]).await;
    }
    let cursor = team.admin.get("/cluster/status").await.revision();
    let ana = team.engineer("ana").await.client;
    let agent = team.agent(&ana, "build").await;
    pick(team, &agent, "feature-1").await;
    let fence = fence_of(team, &agent).await;
    let issued = team.admin.post("/auth/ws-ticket", json!({})).await;
    let ticket = issued.data()["ticket"].as_str().expect("a ticket").to_owned();
    let join_token = team.join_token().await;
    let key = uuid::Uuid::now_v7().to_string();
    keyed(team, &team.admin, &key).await;
    Known { agent, fence, ticket, join_token, key, cursor }
}

/// A write under an idempotency key, or its retry. Returns the header by which a retry learns of a reset, and the id.
async fn keyed(team: &Team, client: &Client, key: &str) -> (Option<u64>, Value) {
    let body = json!({ "title": "t", "decision": "d" });
    let answer = client.under_key(key).post(&team.path("/decisions"), body).await;
    let header =
        answer.headers.get("x-nexus-history-reset").map(|value| value.to_str().expect("a text").parse());
    (header.transpose().expect("a number"), answer.data()["id"].clone())
}

/// Checks what a new history does with everything from before. `lost` is a revision of the lost part, `through` the
/// last one that was kept.
async fn check_reset(team: &Team, url: &str, known: &Known, (through, lost): (u64, u64), kind: &str) {
    let admin = team.admin.via(url);
    let agent = known.agent.via(url);
    // Sessions, claims, fences.
    let gone = agent.post(&team.path("/features/feature-2/pick"), json!({})).await;
    assert!(!gone.status.is_success(), "the session has ended: {}", gone.body);
    let claims = admin.get(&team.path("/claims")).await;
    assert_eq!(claims.data().as_array().map(Vec::len), Some(0), "{}", claims.body);
    let picked = admin.get(&team.path("/features/feature-1")).await;
    assert_eq!(picked.data()["status"], "ready");
    assert!(picked.data()["interruptedAt"].is_string(), "{}", picked.body);
    for fence in [known.fence, lost] {
        let stale = admin
            .post(&team.path("/claims/check"), json!({ "paths": ["src/feature-1/a.rs"], "fence": fence }))
            .await;
        assert_eq!((stale.status.as_u16(), stale.code()), (409, "STALE_FENCE"));
        assert!(stale.message().contains("history was reset"), "{}", stale.message());
    }
    // Cursors.
    let events = |since: u64| team.path(&format!("/events?since={since}&limit=1000"));
    let refused = admin.get(&events(lost)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"));
    let compacted = &refused.body["error"]["details"]["compacted"];
    assert_eq!(compacted["reset"], true, "{}", refused.body);
    let from = compacted["oldest"].as_u64().expect("a revision");
    let on = admin.get(&events(known.cursor)).await;
    let items = on.data()["items"].as_array().expect("a list").clone();
    let reset = items.iter().find(|event| event["type"] == "history_reset").expect("it is announced");
    assert_eq!((reset["from"].as_u64(), reset["through"].as_u64()), (Some(from), Some(through)));
    assert_eq!(reset["kind"], kind);
    let ends = items.iter().filter(|event| event["reason"] == "history_reset").count();
    assert!(ends >= 2, "the feature and its files are free: {items:?}");
    assert!(
        items.iter().any(|event| event["revision"].as_u64() <= Some(through)),
        "the former events are kept"
    );
    let anew = admin.get(&events(from - 1)).await;
    assert_eq!(anew.data()["items"][0]["type"], "history_reset");
    let mut socket = Socket::open(&admin).await;
    let notice = socket.join(&team.project, Some(lost)).await;
    assert_eq!((&notice["type"], &notice["reset"]), (&json!("compacted"), &json!(true)), "{notice}");
    // Tickets, join tokens, keys.
    let ticket = format!("/ws?ticket={}", known.ticket);
    assert!(Socket::try_open(&Client::new(url), &ticket).await.is_err(), "no ticket opens a socket");
    let join = json!({
        "joinToken": known.join_token, "instance": uuid::Uuid::now_v7(),
        "peerAddr": "127.0.0.1:1", "clientAddr": "127.0.0.1:2",
    });
    let uninvited = Client::new(url).post("/cluster/members", join).await;
    assert!(uninvited.message().contains("token"), "{}", uninvited.body);
    let (marked, id) = keyed(team, &admin, &known.key).await;
    assert_eq!(marked, Some(from), "the retry gets the first answer, and is told");
    let fresh = uuid::Uuid::now_v7().to_string();
    let (marked, other) = keyed(team, &admin, &fresh).await;
    assert!(marked.is_none() && other != id);
}

#[tokio::test]
async fn a_backup_is_restored_elsewhere_and_nothing_from_before_is_taken_for_new() {
    let mut former = Cluster::start(3).await;
    let team = Team::of(&former).await;
    let known = populate(&team).await;
    let file = former.folder().join("backup");
    let (writes, path) = (team.admin.via(former.nodes[1].url()), team.path("/decisions"));
    let writer = tokio::spawn(async move {
        loop {
            writes.post(&path, json!({ "title": "t", "decision": "under load" })).await.data();
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let through = take_backup(&team.admin, &file).await;
    writer.abort();
    let _ = writer.await;
    // What follows is lost, and somebody knows of it.
    let ben = team.engineer("ben").await.client;
    let lost_agent = team.agent(&ben, "lost").await;
    pick(&team, &lost_agent, "feature-3").await;
    let lost = fence_of(&team, &lost_agent).await;
    assert!(lost > through);
    let former_id = team.admin.get("/cluster/status").await.data()["clusterId"].clone();
    for node in &mut former.nodes {
        node.kill();
    }

    let (mut cluster, args) = prepared();
    let folder = cluster.nodes[0].data_dir();
    let hash = field(&done(&["check-backup", &text(&file)]), "State hash");
    let file = text(&file);
    let restore = with(&["restore", "--from", &file], &args);
    let dry = done(&[&restore[..], &["--dry-run"]].concat());
    for id in [former_id.as_str().expect("an id"), "00000000-0000-0000-0000-000000000000"] {
        let same = refused(&[&restore[..], &["--new-cluster-id", id]].concat());
        assert!(same.contains(&format!("--new-cluster-id {id}")), "{same}");
    }
    assert!(dry.contains("node 4"), "ids are never reused: {dry}");
    assert!(!folder.exists());
    let printed = done(&restore);
    assert_eq!(field(&printed, "State hash"), hash);
    assert!(printed.contains("nexusd start --data-dir"), "{printed}");
    assert!(refused(&restore).contains("is not empty"));
    let found = inspected(&folder);
    assert_eq!((&found["stateHash"], &found["nodeId"]), (&json!(hash), &json!(4)));
    assert_eq!((&found["damage"], &found["log"]["entries"]), (&json!([]), &json!(0)));
    assert!(found["toBegin"].is_string());
    assert!(printed.contains("--cluster-secret-file"), "{printed}");
    let recover =
        with(&["recover", "--as-single", "--cluster-id", former_id.as_str().expect("an id")], &args);
    let too_early = refused(&recover);
    assert!(too_early.contains("no node has begun its new history"), "{too_early}");
    ends_well_without_a_reader(&["inspect", &text(&folder)]);

    cluster.nodes[0].start();
    cluster.all_ready().await;
    let url = cluster.nodes[0].url();
    let status = team.admin.via(url.clone()).get("/cluster/status").await;
    assert_ne!(status.data()["clusterId"], former_id);
    assert!(status.revision() > 1_700_000_000 << 20, "far above all indexes");
    check_reset(&team, &url, &known, (through, lost), "restored").await;
    let running = inspected(&folder);
    assert_eq!(running["history"]["through"], json!(through), "beside the node that runs: {running}");

    // Agents go on, nodes join, and a crash changes nothing.
    let team = Team { admin: team.admin.via(url.clone()), project: team.project.clone() };
    let ana = known.agent.via(url.clone());
    let again = team.agent(&Client::new(url.clone()).with_key(ana.key().expect("a key")), "build").await;
    pick(&team, &again, "feature-1").await;
    assert!(fence_of(&team, &again).await > lost);
    let token = team.join_token().await;
    for _ in 0..2 {
        let number = cluster.join(&token);
        cluster.ready(number).await;
    }
    eventually("all three vote", || async {
        let status = team.admin.get("/cluster/status").await;
        let nodes = status.data()["nodes"].as_array()?.clone();
        (nodes.len() == 3 && nodes.iter().all(|node| node["role"] != "learner")).then_some(())
    })
    .await;
    cluster.nodes[0].kill();
    cluster.nodes[0].start();
    cluster.all_ready().await;
    cluster.same_state(&team.admin).await;
    let held = again.get(&team.path("/claims/mine")).await;
    assert_eq!(held.data().as_array().map(Vec::len), Some(1), "the reset is done once: {}", held.body);
}

#[tokio::test]
async fn one_node_of_three_becomes_a_cluster_and_the_others_never_come_back_to_it() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let known = populate(&team).await;
    cluster.same_state(&team.admin).await;
    let id = team.admin.get("/cluster/status").await.data()["clusterId"].as_str().expect("an id").to_owned();
    for node in &mut cluster.nodes {
        node.kill();
    }
    let folder = cluster.nodes[2].data_dir();
    let before = inspected(&folder);
    let (peer, client) = (cluster.nodes[2].peer_addr().to_owned(), addr(&cluster.nodes[2].url()).to_owned());
    let data_dir = text(&folder);
    let recover = [
        "recover",
        "--as-single",
        "--data-dir",
        &data_dir,
        "--peer-advertise",
        &peer,
        "--advertise",
        &client,
    ];
    let files = names(&folder.join("db"));
    let unconfirmed = refused(&recover);
    assert!(unconfirmed.contains(&format!("--cluster-id {id}")), "{unconfirmed}");
    let mistyped = refused(&[&recover[..], &["--cluster-id", "0"]].concat());
    assert!(mistyped.contains("not what was typed"), "{mistyped}");
    let same = refused(&[&recover[..], &["--cluster-id", &id, "--new-cluster-id", &id]].concat());
    assert!(same.contains("is the id of the former cluster"), "{same}");
    assert_eq!(names(&folder.join("db")), files, "nothing was written");
    cluster.nodes[2].start();
    let url = cluster.nodes[2].url();
    eventually("it runs", || async {
        Client::new(url.clone()).send(reqwest::Method::GET, "/health/live", None).await.ok()
    })
    .await;
    let running = refused(&[&recover[..], &["--cluster-id", &id]].concat());
    assert!(running.contains("another process has this data folder open"), "{running}");
    cluster.nodes[2].kill();
    let printed = done(&[&recover[..], &["--cluster-id", &id]].concat());
    assert!(printed.contains("May be lost") && printed.contains("node 4"), "{printed}");
    let kept: Vec<PathBuf> = beside(&folder, ".before-recover-");
    assert_eq!(kept.len(), 1);
    assert_eq!(inspected(&kept[0])["log"]["last"], before["log"]["last"], "the former folder is as it was");

    // All three come back; two of them are the former cluster, and it has its quorum again.
    for node in &mut cluster.nodes {
        node.start();
    }
    for number in [1, 2, 3] {
        cluster.ready(number).await;
    }
    let alone = cluster.nodes[2].url();
    let ids = [&cluster.nodes[0].url(), &alone].map(|url| team.admin.via(url.clone()));
    let [former, new] = [ids[0].get("/cluster/status").await, ids[1].get("/cluster/status").await]
        .map(|status| status.data().clone());
    assert_eq!(former["clusterId"], json!(id));
    assert_ne!(new["clusterId"], json!(id));
    assert_eq!(new["nodes"].as_array().map(Vec::len), Some(1), "{new}");
    let through = new_history(&ids[1], &team).await;
    check_reset(&team, &alone, &known, (through, through + 1_000_000), "recovered").await;
}

/// The last revision of the former history.
async fn new_history(client: &Client, team: &Team) -> u64 {
    let events = client.get(&team.path("/events?since=0&limit=1000")).await;
    let items = events.data()["items"].as_array().expect("a list").clone();
    let reset = items.iter().find(|event| event["type"] == "history_reset").expect("it is announced");
    reset["through"].as_u64().expect("a revision")
}

fn beside(folder: &Path, infix: &str) -> Vec<PathBuf> {
    let prefix = format!("{}{infix}", folder.file_name().expect("a name").display());
    let entries = fs::read_dir(folder.parent().expect("a parent")).expect("it can be listed");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths
        .filter(|path| path.file_name().is_some_and(|name| name.display().to_string().starts_with(&prefix)))
        .collect()
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(folder).expect("it can be listed");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it can be listed").file_name()).collect();
    names.sort();
    names
}

/// Runs a command whose output nobody reads.
fn ends_well_without_a_reader(args: &[&str]) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(binary("nexusd"));
    let status = command.args(args).env_clear().stdin(Stdio::null()).stdout(writer).status();
    assert!(status.expect("nexusd can be started").success(), "{args:?}");
}

/// Runs a command and kills it after a part of the time that it takes.
fn cut_off(args: &[&str], after: Duration) {
    let child = Command::new(binary("nexusd"))
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.expect("nexusd can be started");
    std::thread::sleep(after);
    let _ = child.kill();
    let _ = child.wait();
}

/// Kills of each command.
const KILLS: u32 = 16;

#[tokio::test]
async fn a_restore_and_a_recovery_that_are_killed_leave_nothing_half_made() {
    let mut former = Cluster::start(1).await;
    let team = Team::of(&former).await;
    populate(&team).await;
    for number in 0..40 {
        let body = json!({ "title": format!("{number}"), "decision": "d".repeat(20_000) });
        team.admin.post(&team.path("/decisions"), body).await.data();
    }
    let id = team.admin.get("/cluster/status").await.data()["clusterId"].as_str().expect("an id").to_owned();
    let file = former.folder().join("backup");
    take_backup(&team.admin, &file).await;
    former.nodes[0].terminate();
    let source = former.nodes[0].data_dir();

    let (cluster, args) = prepared();
    let folder = cluster.nodes[0].data_dir();
    let file = text(&file);
    let restore = with(&["restore", "--from", &file], &args);
    let began = Instant::now();
    done(&restore);
    let takes = began.elapsed();
    fs::remove_dir_all(&folder).expect("it can be removed");
    for kill in 0..KILLS {
        cut_off(&restore, takes * kill / KILLS);
        if folder.exists() {
            assert!(inspected(&folder)["toBegin"].is_string(), "it is whole");
            fs::remove_dir_all(&folder).expect("it can be removed");
        }
        for left in beside(&folder, ".restoring-") {
            let start = refused(&["start", "--data-dir", &text(&left)]);
            assert!(start.contains("nexusd restore"), "{start}");
        }
    }
    ends_well_without_a_reader(&restore);
    assert!(beside(&folder, ".restoring-").is_empty(), "the next restore cleans up");
    fs::remove_dir_all(&folder).expect("it can be removed");

    let mut recover = vec!["recover", "--as-single", "--cluster-id", &id];
    recover.extend(args.iter().map(String::as_str));
    copy(&source, &folder);
    let began = Instant::now();
    done(&recover);
    let takes = began.elapsed();
    for kill in 0..KILLS {
        for left in beside(&folder, "") {
            fs::remove_dir_all(left).expect("it can be removed");
        }
        copy(&source, &folder);
        cut_off(&recover, takes * kill / KILLS);
        let found = inspected(&folder);
        let is_former = found["clusterId"] == json!(id) && found["toBegin"].is_null();
        assert!(is_former || found["toBegin"].is_string(), "either whole: {found}");
        if !is_former {
            assert_eq!(beside(&folder, ".before-recover-").len(), 1, "the former folder is kept");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for entry in fs::read_dir(from).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("it can be copied");
        }
    }
}
