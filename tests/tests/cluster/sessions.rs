//! Leases: renewed by heartbeats, ended by silence, never cut short by a change of leader.

use nexus_tests::{Client, Cluster, Team, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn feature(client: &Client, team: &Team) -> Value {
    client.get(&team.path("/features/one?consistency=stale")).await.body["data"].clone()
}

#[tokio::test]
async fn a_silent_session_is_disconnected_then_released_and_its_feature_is_marked() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    // Long enough to see each state on a loaded machine, and short enough to wait for.
    team.settings(json!({ "session.timeout": 1, "session.grace": 3 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let agent = team.agent(&team.admin, "build").await;
    agent.post(&team.path("/features/one/pick"), json!({})).await.data();
    let id = agent.session().expect("a session").to_owned();
    // With heartbeats, it lives for many times its timeout.
    let began = Instant::now();
    let mut silent_since = began;
    while began.elapsed() < Duration::from_secs(4) {
        // Its lease starts with the last heartbeat, not with the answer to that.
        silent_since = Instant::now();
        agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
        assert_eq!(feature(&team.admin, &team).await["status"], "active");
        // Without a pause, it would exceed the rate limit of its key.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = |wanted: &'static str| {
        let (team, id) = (team.clone(), id.clone());
        move || {
            let (team, id) = (team.clone(), id.clone());
            async move {
                let status = team.admin.get(&team.path("/status")).await;
                let sessions = status.data()["sessions"].as_array().expect("sessions").clone();
                let found = sessions.iter().find(|found| found["session"]["id"] == id.as_str());
                (found
                    .map(|found| found["session"]["status"].as_str().unwrap_or_default().to_owned())
                    .as_deref()
                    == Some(wanted))
                .then(|| status.data().clone())
            }
        }
    };
    let seen = eventually("it is disconnected", status("disconnected")).await;
    assert!(silent_since.elapsed() >= Duration::from_secs(1), "not before its timeout");
    assert_eq!(seen["claims"][0]["filePath"], "src/a.rs", "claims stay during the grace");
    let ready = eventually("its feature is ready again", || async {
        let feature = feature(&team.admin, &team).await;
        (feature["status"] == "ready").then_some(feature)
    })
    .await;
    assert!(silent_since.elapsed() >= Duration::from_secs(4), "not before its grace");
    assert!(ready["interruptedAt"].is_string(), "{ready}");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data(), &json!([]));
    let status = team.admin.get(&team.path("/status")).await;
    assert_eq!(status.data()["interrupted"][0]["slug"], "one");
    let late = agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await;
    assert_eq!((late.status.as_u16(), late.code()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_heartbeat_within_the_grace_revives_a_session_with_nothing_lost() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 0.3, "session.grace": 600 })).await;
    team.ready_feature("one", &["a"]).await;
    let agent = team.agent(&team.admin, "build").await;
    let fence = agent.post(&team.path("/features/one/pick"), json!({})).await.data()["fence"].clone();
    let id = agent.session().expect("a session").to_owned();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    eventually("it is disconnected", || async {
        let active = team.admin.get(&team.path("/sessions/active")).await;
        (active.data() == &json!([])).then_some(())
    })
    .await;
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    let after = feature(&team.admin, &team).await;
    assert_eq!((&after["status"], &after["fence"]), (&json!("active"), &fence));
}

#[tokio::test]
async fn reads_keep_a_session_alive_while_nobody_writes() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3, "session.grace": 600 })).await;
    let agent = team.agent(&team.admin, "build").await;
    let id = agent.session().expect("a session").to_owned();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    let before = team.admin.get(&team.path("/events?since=0&limit=1000")).await;
    // From now on it only reads, through a follower, and nobody writes.
    let leader = cluster.leader().await;
    let other = cluster.nodes.iter().find(|node| node.number != leader).expect("three nodes").url();
    let (reader, began) = (agent.via(&other), Instant::now());
    while began.elapsed() < Duration::from_secs(8) {
        reader.get(&team.path("/features")).await.data();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let since = before.data()["nextSince"].as_u64().expect("a revision");
    let after = team.admin.get(&team.path(&format!("/events?since={since}"))).await;
    assert_eq!(after.data()["items"], json!([]), "it was never disconnected");
}

#[tokio::test]
async fn a_change_of_leader_never_cuts_a_lease_short() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let lease = Duration::from_secs(4);
    team.settings(json!({ "session.timeout": 3, "session.grace": 1 })).await;
    team.ready_feature("one", &["a"]).await;
    let agent = team.agent(&team.admin, "build").await;
    agent.post(&team.path("/features/one/pick"), json!({})).await.data();
    let id = agent.session().expect("a session").to_owned();
    let last_sign = Instant::now();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    let leader = cluster.leader().await;
    cluster.node(leader).kill();
    let other = cluster.nodes.iter().find(|node| node.number != leader).expect("three nodes").url();
    let through = team.admin.via(&other);
    eventually("its feature is ready again", || async {
        (feature(&through, &team).await["status"] == "ready").then_some(())
    })
    .await;
    let lived = last_sign.elapsed();
    assert!(lived >= lease, "a lease of {lease:?} ended after {lived:?}");
    println!("a lease of {lease:?} ended {:?} late, over a change of leader", lived - lease);
}

#[tokio::test]
async fn a_lease_expires_although_the_leadership_keeps_moving_and_nobody_writes() {
    /// Each change of leader may extend the lease of 4 s by one more. After this many, it is over, also on a slow
    /// machine.
    const MOST_CHANGES: usize = 40;
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 2, "session.grace": 2 })).await;
    team.ready_feature("one", &["a"]).await;
    let agent = team.agent(&team.admin, "build").await;
    agent.post(&team.path("/features/one/pick"), json!({})).await.data();
    let id = agent.session().expect("a session").to_owned();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    let last_sign = Instant::now();
    let mut changes = 0;
    while feature(&team.admin, &team).await["status"] == "active" {
        changes += 1;
        assert!(changes <= MOST_CHANGES, "after {:?} the session still holds its file", last_sign.elapsed());
        // Each leader leads for a second, in which nothing is written.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let to = cluster.leader().await % 3 + 1;
        team.admin.post("/cluster/leader", json!({ "to": to })).await;
    }
    assert!(last_sign.elapsed() >= Duration::from_secs(4), "it was cut short: {:?}", last_sign.elapsed());
    println!("a lease of 4 s ended after {:?} and {changes} changes of leader", last_sign.elapsed());
}

#[tokio::test]
async fn an_outage_of_the_whole_cluster_does_not_end_leases() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3, "session.grace": 1 })).await;
    team.ready_feature("one", &["a"]).await;
    let agent = team.agent(&team.admin, "build").await;
    agent.post(&team.path("/features/one/pick"), json!({})).await.data();
    let id = agent.session().expect("a session").to_owned();
    let heartbeat = team.path(&format!("/sessions/{id}/heartbeat"));
    agent.post(&heartbeat, json!({})).await.data();
    for node in &cluster.nodes {
        node.pause();
    }
    // Twice the lease, in which no heartbeat could arrive.
    tokio::time::sleep(Duration::from_secs(8)).await;
    for node in &cluster.nodes {
        node.go_on();
    }
    let received = eventually("the cluster hears it again", || async {
        let answer = agent.send(reqwest::Method::POST, &heartbeat, None).await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(received.data(), &json!({ "ok": true }));
    assert_eq!(feature(&team.admin, &team).await["status"], "active");
}

#[tokio::test]
async fn reads_with_a_read_only_key_keep_no_session_alive() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 1, "session.grace": 1 })).await;
    let agent = team.agent(&team.admin, "build").await;
    let id = agent.session().expect("a session").to_owned();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    let reading = team.admin.post("/auth/keys", json!({ "readonly": true })).await;
    let reading = agent.with_key(reading.data()["apiKey"].as_str().expect("a key"));
    // It sends requests all the time, as that session.
    eventually("the session ends all the same", || async {
        let active = reading.get(&team.path("/sessions/active")).await;
        let active = active.data().as_array().expect("a list");
        active.iter().all(|found| found["session"]["id"] != id.as_str()).then_some(())
    })
    .await;
}
