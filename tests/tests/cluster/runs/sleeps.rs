//! A machine that slept, as processes that were stopped while their leases ended: what is free comes back, and what is
//! lost is reported once.

use super::{becomes, begins, checkout, feature, has_reported_to_keep_alive, may_edit};
use nexus_tests::{Agent, Cluster, Team, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw).expect("the number of a process");
        kill_process(pid, signal).expect("it lives");
    }
}

#[tokio::test]
async fn after_a_sleep_free_files_are_claimed_again_and_lost_ones_are_reported() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3, "session.grace": 1 })).await;
    team.ready_feature("one", &["a.rs"]).await;
    team.ready_feature("two", &["b.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    agent.runs("nexus feature pick one").done();
    agent.runs("nexus feature pick two").done();
    let before = feature(&team, "two").await;
    let keep_alive = eventually("its keep-alive process runs", || async {
        let keep_alive_processes = checkout.keep_alive_processes();
        (keep_alive_processes.len() == 1).then_some(keep_alive_processes)
    })
    .await;
    eventually("the keep-alive process knows of both", || async {
        let [record] = &checkout.records()[..] else { return None };
        (record["kept"] == 2 && record["taken"] == 2).then_some(())
    })
    .await;
    signal(&keep_alive, Signal::STOP);
    signal(&[agent.pid()], Signal::STOP);
    becomes(&team, "one", "ready").await;
    becomes(&team, "two", "ready").await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/features/one/pick"), json!({})).await.data();
    signal(&[agent.pid()], Signal::CONT);
    signal(&keep_alive, Signal::CONT);
    let after = becomes(&team, "two", "active").await;
    assert_eq!(after["agent"], before["agent"], "the same agent");
    assert!(after["fence"].as_u64() > before["fence"].as_u64(), "under a new fence");
    let ended = agent.runs("nexus feature done two").done();
    assert!(
        ended
            .stderr
            .contains("Lost while this machine slept: feature one: Root's agent \"other\" works on it now"),
        "{ended:#?}"
    );
    assert_eq!(agent.runs("nexus feature done one").code, 1);
    assert_eq!(feature(&team, "one").await["status"], "active");
}

#[tokio::test]
async fn after_a_sleep_files_that_were_taken_on_the_way_come_back_with_their_feature() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3, "session.grace": 1 })).await;
    team.ready_feature("one", &["a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    agent.runs("nexus feature pick one").done();
    agent.runs("nexus claim mine.rs theirs.rs").done();
    agent.runs("nexus claim --shared read.rs").done();
    has_reported_to_keep_alive(&checkout).await;
    let keep_alive = checkout.keep_alive_processes();
    signal(&keep_alive, Signal::STOP);
    signal(&[agent.pid()], Signal::STOP);
    becomes(&team, "one", "ready").await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["theirs.rs"] })).await.data();
    signal(&[agent.pid()], Signal::CONT);
    signal(&keep_alive, Signal::CONT);
    let one = becomes(&team, "one", "active").await;
    let claims = eventually("what is free is taken back", || async {
        let claims = team.admin.get(&team.path("/claims")).await;
        let claims = claims.data().as_array().cloned().unwrap_or_default();
        let of_one: Vec<Value> = claims.into_iter().filter(|claim| claim["featureId"] == one["id"]).collect();
        (of_one.len() == 3).then_some(of_one)
    })
    .await;
    let mut held: Vec<(&str, &str)> = claims
        .iter()
        .map(|claim| (claim["filePath"].as_str().unwrap_or(""), claim["mode"].as_str().unwrap_or("")))
        .collect();
    held.sort_unstable();
    assert_eq!(held, [("a.rs", "exclusive"), ("mine.rs", "exclusive"), ("read.rs", "shared")]);
    let ended = agent.runs("nexus feature done one").done();
    let lost = "Lost while this machine slept: file theirs.rs: Root's agent \"other\" holds it now";
    assert!(ended.stderr.contains(lost), "{ended:#?}");
}

#[tokio::test]
async fn the_first_hook_after_a_sleep_takes_back_what_is_free_and_says_what_is_lost() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3, "session.grace": 1, "session.unattended": 30 })).await;
    team.ready_feature("missing", &["web/style.css"]).await;
    team.ready_feature("two", &["b.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    begins(&mut agent, "run", "startup");
    agent.runs("nexus feature pick missing").done();
    agent.runs("nexus feature pick two").done();
    agent.runs("nexus claim more.rs").done();
    has_reported_to_keep_alive(&checkout).await;
    // The keep-alive process wakes up after the first hook.
    let keep_alive = checkout.keep_alive_processes();
    signal(&keep_alive, Signal::STOP);
    becomes(&team, "missing", "ready").await;
    becomes(&team, "two", "ready").await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["web/style.css"] })).await.data();
    // It writes nothing, so that only the sleep is a reason to say anything.
    let event = json!({ "session_id": "run", "cwd": checkout.root(), "tool_name": "Bash", "tool_use_id": "toolu_1",
        "tool_input": { "command": "ls" } });
    let first = agent.runs_with("nexus hook claude pre-tool-use", &event.to_string()).done();
    let lost = "LOST while this machine slept: feature missing: its file web/style.css is held by Root's agent \\\"other\\\" now";
    assert!(first.stdout.contains(lost), "{first:#?}");
    assert_eq!(feature(&team, "two").await["status"], "active");
    let mine = agent.runs("nexus claims --mine --json").done().json();
    let mut held: Vec<&str> =
        mine.as_array().into_iter().flatten().filter_map(|one| one["filePath"].as_str()).collect();
    held.sort_unstable();
    assert_eq!(held, ["b.rs", "more.rs"]);
    signal(&keep_alive, Signal::CONT);
    has_reported_to_keep_alive(&checkout).await;
    let refused = may_edit(&mut agent, &checkout, "run", "web/style.css");
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(!refused.stderr.contains("LOST"), "it is said once: {refused:#?}");
}
