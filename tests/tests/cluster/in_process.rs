//! A disk that hangs and a clock that is wrong, in clusters inside this process.

use futures::future::join_all;
use nexus_tests::{eventually, in_process::InProcessCluster};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A failure that does not come in this time never will: the disk watch waits ten seconds.
const LONG: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn project(slug: &str) -> Value {
    json!({ "name": slug, "slug": slug })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_hangs_is_replaced_and_comes_back_as_a_follower() {
    let cluster = InProcessCluster::start(3).await;
    let leader = cluster.leader(0).await;
    let other = (leader + 1) % 3;
    let via = cluster.admin.via(&cluster.nodes[other].url);
    cluster.nodes[leader].disk.hang(true);
    let mut number = 0;
    // Only writes wait for the disk; Raft heartbeats go on.
    let next = eventually("another node leads, and writes go on", || {
        number += 1;
        let (via, slug) = (via.clone(), format!("p-{number}"));
        async move {
            let answer = via.send(Method::POST, "/projects", Some(&project(&slug))).await.ok()?;
            let status = via.send(Method::GET, "/cluster/status", None).await.ok()?;
            let now = status.body["data"]["leader"].as_u64()?;
            (answer.status == 201 && now != leader as u64 + 1).then_some(now)
        }
    })
    .await;
    assert_ne!(next, leader as u64 + 1);

    cluster.nodes[leader].disk.hang(false);
    let back = cluster.admin.via(&cluster.nodes[leader].url);
    eventually("it reads again", || async {
        let answer = back.send(Method::GET, "/health/ready", None).await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
    let seen = eventually("all have one state", || async {
        let mut seen = Vec::new();
        for node in &cluster.nodes {
            let status =
                cluster.admin.via(&node.url).send(Method::GET, "/cluster/status", None).await.ok()?;
            let status = &status.body["data"];
            seen.push((status["applied"].as_u64()?, status["stateHash"].as_str()?.to_owned()));
        }
        seen.iter().all(|(applied, _)| *applied == seen[0].0).then_some(seen)
    })
    .await;
    assert!(seen.iter().all(|(_, hash)| *hash == seen[0].1), "{seen:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_with_a_hanging_disk_and_no_successor_ends() {
    let mut cluster = InProcessCluster::start(3).await;
    let leader = cluster.leader(0).await;
    for (at, node) in cluster.nodes.iter_mut().enumerate() {
        if at != leader
            && let Some(running) = node.running.take()
        {
            running.stop().await;
        }
    }
    cluster.nodes[leader].disk.hang(true);
    let (url, admin) = (cluster.nodes[leader].url.clone(), cluster.admin.clone());
    let written = tokio::spawn(async move { admin.via(url).post("/projects", project("late")).await });
    let running = cluster.nodes[leader].running.as_ref().expect("it runs");
    let why = tokio::time::timeout(LONG, running.failed()).await.expect("it ends");
    assert!(why.contains("has not finished a flush"), "{why}");
    let answer = written.await.expect("the writer does not panic");
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "SERVICE_UNAVAILABLE"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_hangs_can_be_stopped() {
    let mut cluster = InProcessCluster::start(3).await;
    let leader = cluster.leader(0).await;
    for (at, node) in cluster.nodes.iter().enumerate() {
        if at != leader {
            node.disk.hang(true);
        }
    }
    // A candidate then waits for its vote to be written, and Raft waits with it.
    let running = cluster.nodes[leader].running.take().expect("it runs");
    assert!(running.stop().await, "a disk that works is no obstacle");
    let running = cluster.nodes.iter_mut().filter_map(|node| node.running.take());
    let stopping: Vec<_> = running.map(|running| tokio::time::timeout(LONG, running.stop())).collect();
    for stopped in join_all(stopping).await {
        let in_order = stopped.expect("it ends");
        println!("stopped in order: {in_order}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_is_a_day_ahead_ends_no_lease() {
    let cluster = InProcessCluster::start(3).await;
    let leader = cluster.leader(0).await;
    let via = cluster.admin.via(&cluster.nodes[leader].url);
    let made = via.post("/projects", project("demo")).await;
    let (id, before) = (made.data()["id"].clone(), at(&made.data()["createdAt"]));
    let sessions = format!("/projects/{}/sessions", id.as_str().expect("an id"));
    let session = via.post(&sessions, json!({ "agent": "build" })).await.data()["id"].clone();
    via.post(&format!("{sessions}/{}/heartbeat", session.as_str().expect("an id")), json!({})).await.data();

    cluster.nodes[leader].clock.skew(DAY_MS);
    let mut number = 0;
    let after = eventually("people are shown the time of the others", || {
        number += 1;
        let (via, slug) = (via.clone(), format!("p-{number}"));
        async move {
            let made = via.post("/projects", project(&slug)).await;
            let at = at(made.body["data"].get("createdAt")?);
            (at - before < DAY_MS / 2).then_some(at)
        }
    })
    .await;
    assert!(after >= before, "{after} {before}");
    // The entries that were stamped a day ahead stop no clock: time goes on from that of the others.
    let active = via.get(&format!("{sessions}/active")).await;
    let sessions: Vec<&Value> = active.data().as_array().expect("a list").iter().collect();
    assert!(sessions.iter().any(|entry| entry["session"]["id"] == session), "{}", active.body);
    cluster.stop().await;
}

/// A moment in milliseconds since 1970.
fn at(moment: &Value) -> i64 {
    let moment: nexus_api_types::Moment = serde_json::from_value(moment.clone()).expect("a moment");
    moment.0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_took_too_long_is_completed_although_nobody_asks_again() {
    let cluster = InProcessCluster::start(3).await;
    let leader = cluster.leader(0).await;
    let (slow, removed) = ((leader + 1) % 3, (leader + 2) % 3);
    let via = cluster.admin.via(&cluster.nodes[leader].url);
    // The first step of joint consensus needs both nodes that stay, and one of them cannot store it.
    cluster.nodes[slow].disk.hang(true);
    let path = format!("/cluster/members/{}", removed + 1);
    let asked = via.send(Method::DELETE, &path, None).await.expect("the leader answers");
    assert_eq!(asked.status, 503, "{}", asked.body);
    cluster.nodes[slow].disk.hang(false);
    // The leader has given up the second step by then, without which the node keeps its vote.
    eventually("the node is out", || async {
        let status = via.send(Method::GET, "/cluster/status", None).await.ok()?;
        let nodes = status.body["data"]["nodes"].as_array()?;
        (nodes.len() == 2).then_some(())
    })
    .await;
    cluster.stop().await;
}
