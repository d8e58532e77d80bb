//! Runs of agents, as processes that call `nexus`: each is itself, lives as long as its process, and
//! leaves nothing behind.

use nexus_tests::{Agent, Checkout, Cluster, Team, eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

fn checkout(cluster: &Cluster, team: &Team) -> Checkout {
    Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"))
}

async fn feature(team: &Team, slug: &str) -> Value {
    team.admin.get(&team.path(&format!("/features/{slug}"))).await.data().clone()
}

async fn becomes(team: &Team, slug: &str, status: &str) -> Value {
    eventually(&format!("{slug} is {status}"), || async {
        let feature = feature(team, slug).await;
        (feature["status"] == status).then_some(feature)
    })
    .await
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        kill(Pid::from_raw(i32::try_from(*pid).expect("a pid is small")), signal).expect("it lives");
    }
}

#[tokio::test]
async fn a_killed_agent_frees_its_files_long_before_its_lease_is_over() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    // What frees the files here is the keeper: the lease outlives the test.
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    agent.runs("nexus feature pick one").done();
    agent.runs("nexus claim notes.md").done();
    eventually("its keeper beats", || async {
        let sessions = team.admin.get(&team.path("/sessions/active")).await;
        let lease = sessions.data()[0]["session"]["expiresAt"].as_str().map(str::to_owned);
        (checkout.keepers().len() == 1 && lease.is_some()).then_some(())
    })
    .await;
    agent.kill();
    let freed = becomes(&team, "one", "ready").await;
    assert!(freed["interruptedAt"].is_string(), "its work is surfaced: {freed}");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data(), &json!([]));
    let path = team
        .path(&format!("/sessions/checkpoints/latest?featureId={}", freed["id"].as_str().expect("an id")));
    assert_eq!(team.admin.get(&path).await.data()["type"], "crash_recovery");
    eventually("no keeper is left", || async { checkout.keepers().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn two_agents_of_one_engineer_in_one_checkout_are_two() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    team.ready_feature("two", &["src/a.rs", "src/b.rs"]).await;
    team.ready_feature("three", &["src/c.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut build = Agent::start(&checkout, &checkout.root(), "claude");
    let mut review = Agent::start(&checkout, &checkout.root().join("src"), "claude");
    build.runs("nexus feature pick one").done();
    let refused = review.runs("nexus feature pick two");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("src/a.rs is held by Root's agent \"claude-"), "{refused:#?}");
    review.runs("nexus next --json").done();
    let (one, three) = (feature(&team, "one").await, feature(&team, "three").await);
    assert_eq!((&one["status"], &three["status"]), (&json!("active"), &json!("active")));
    assert_ne!(one["sessionId"], three["sessionId"]);
    // Each has its own feature laid out, and cannot end the other's.
    let laid_out = |slug: &str| checkout.root().join(".nexus/active").join(slug).join("spec.md").is_file();
    assert!(laid_out("one") && laid_out("three"));
    assert_eq!(review.runs("nexus feature done one").code, 1);
    assert!(laid_out("one"));
    assert_eq!(review.runs("nexus claims --mine --json").done().json()[0]["filePath"], "src/c.rs");
    let why = build.runs("nexus why src/c.rs").done();
    assert!(why.stdout.contains("three: three"), "{why:#?}");
    build.runs("nexus feature done one").done();
    assert!(!laid_out("one") && laid_out("three"));
    review.runs("nexus feature pick two").done();
    eventually("only who holds something has a keeper", || async {
        (checkout.keepers().len() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_keeper_looks_after_a_run_and_goes_when_nothing_is_held() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    for slug in ["one", "two", "three"] {
        team.ready_feature(slug, &[&format!("{slug}.rs")]).await;
    }
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "codex");
    agent.runs("nexus feature pick one & nexus feature pick two & nexus feature pick three & wait").done();
    let sessions = team.admin.get(&team.path("/sessions/active")).await;
    assert_eq!(sessions.data().as_array().map(Vec::len), Some(1), "three picks at once are one session's");
    eventually("one keeper is left", || async { (checkout.keepers().len() == 1).then_some(()) }).await;
    for (slug, left) in [("one", 1), ("two", 1), ("three", 0)] {
        agent.runs(&format!("nexus feature done {slug}")).done();
        eventually("as many keepers as there is to keep", || async {
            (checkout.keepers().len() == left).then_some(())
        })
        .await;
    }
    agent.runs("nexus claim again.rs").done();
    assert_eq!(checkout.keepers().len(), 1, "another one comes when something is held again");
    agent.runs("nexus unclaim --all").done();
    eventually("it goes again", || async { checkout.keepers().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn after_a_sleep_what_is_still_free_is_taken_back_and_the_rest_is_told() {
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
    let keeper = eventually("its keeper runs", || async {
        let keepers = checkout.keepers();
        (keepers.len() == 1).then_some(keepers)
    })
    .await;
    eventually("the keeper knows of both", || async {
        let [record] = &checkout.records()[..] else { return None };
        (record["kept"] == 2 && record["taken"] == 2).then_some(())
    })
    .await;
    signal(&keeper, Signal::SIGSTOP);
    signal(&[agent.pid()], Signal::SIGSTOP);
    becomes(&team, "one", "ready").await;
    becomes(&team, "two", "ready").await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/features/one/pick"), json!({})).await.data();
    signal(&[agent.pid()], Signal::SIGCONT);
    signal(&keeper, Signal::SIGCONT);
    let after = becomes(&team, "two", "active").await;
    assert_eq!(after["agent"], before["agent"], "the same agent");
    assert!(after["fence"].as_u64() > before["fence"].as_u64(), "under a new fence");
    let told = agent.runs("nexus feature done two").done();
    assert!(
        told.stderr
            .contains("Lost while this machine slept: one: feature one is held by Root's agent \"other\""),
        "{told:#?}"
    );
    assert_eq!(agent.runs("nexus feature done one").code, 1);
    assert_eq!(feature(&team, "one").await["status"], "active");
}

#[tokio::test]
async fn a_terminal_that_is_closed_frees_its_files() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    // `script` opens a terminal, and bash leads a session in it.
    let mut terminal = Command::new("script");
    checkout.surroundings(&mut terminal);
    let mut terminal = terminal
        .args(["-qec", "bash --norc", "/dev/null"])
        .current_dir(checkout.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("script is part of every Linux");
    let mut keys = terminal.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut keys, b"nexus feature pick one\n").expect("the terminal is open");
    let held = becomes(&team, "one", "active").await;
    assert!(held["agent"].as_str().is_some_and(|name| name.starts_with("terminal-")), "{held}");
    terminal.kill().expect("the window is closed");
    terminal.wait().expect("the window is closed");
    drop(keys);
    becomes(&team, "one", "ready").await;
}
