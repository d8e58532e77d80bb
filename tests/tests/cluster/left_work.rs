//! The next agent after a crash is shown the work that was left.

use nexus_tests::{Agent, Checkout, Cluster, Team, eventually};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn after_a_crash_the_next_agent_learns_how_far_the_work_was() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let checkout =
        Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"));
    let root = checkout.root();
    fs::write(root.join("src/a.rs"), "old\n").expect("it can be written");
    checkout.git(&root, &["add", "src/a.rs"]);
    checkout.git(&root, &["commit", "-q", "-m", "first"]);
    let mut agent = Agent::start(&checkout, &root, "claude");
    agent.runs("nexus feature pick one").done();
    agent.runs("nexus save -n 'half way'").done();
    eventually("its keep-alive process has seen the feature", || async {
        let records = checkout.records();
        records
            .iter()
            .any(|record| record["kept"] == record["taken"] && record["taken"] != json!(0))
            .then_some(())
    })
    .await;
    // What it wrote after that was in no checkpoint yet.
    fs::write(root.join("src/a.rs"), "new\n").expect("it can be written");
    agent.kill();
    let freed = eventually("one is ready again", || async {
        let feature = team.admin.get(&team.path("/features/one")).await.data().clone();
        (feature["status"] == "ready").then_some(feature)
    })
    .await;
    let id = freed["id"].as_str().expect("an id");
    let path = team.path(&format!("/sessions/checkpoints/latest?featureId={id}"));
    assert_eq!(team.admin.get(&path).await.data()["type"], "crash_recovery");

    let parts = ["half way (saved", "main at ", "src/a.rs", "The session ended before the work did."];
    let mut next = Agent::start(&checkout, &root, "claude");
    let resumed = next.runs("nexus resume").done().stdout;
    for part in parts {
        assert!(resumed.contains(part), "{part}\n{resumed}");
    }
    let listed = next.runs("nexus checkpoints one").done().stdout;
    for part in ["half way", "by hand", "automatically", "when the session was lost", "src/a.rs"] {
        assert!(listed.contains(part), "{part}\n{listed}");
    }
    let input = json!({ "session_id": "next", "cwd": root, "source": "startup" }).to_string();
    // Before it takes the feature up and after that: a new agent starts with the brief.
    for is_taken in [false, true] {
        if is_taken {
            next.runs("nexus feature pick one").done();
        }
        let brief = next.runs_with("nexus hook claude session-start", &input).done().stdout;
        assert_eq!(brief.contains("You work on one"), is_taken, "{brief}");
        for part in parts {
            assert!(brief.contains(part), "{part}\n{brief}");
        }
    }
    // What somebody saves from now on is where the work stands.
    next.runs("nexus save -n 'nearly there'").done();
    let resumed = next.runs("nexus resume one").done().stdout;
    assert!(resumed.contains("nearly there") && !resumed.contains("The session ended"), "{resumed}");
}
