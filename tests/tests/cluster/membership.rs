//! The membership changes while clients write: no acknowledged write is lost.

use nexus_tests::{Client, Cluster, Node, Team, Writer, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;

async fn roles(client: &Client) -> Option<Vec<(u64, String)>> {
    let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
    let nodes = answer.body["data"]["nodes"].as_array()?;
    let role = |node: &Value| Some((node["id"].as_u64()?, node["role"].as_str()?.to_owned()));
    nodes.iter().map(role).collect()
}

async fn until_voters(client: &Client, wanted: usize) -> Vec<u64> {
    eventually(&format!("there are {wanted} voters"), || async {
        let roles = roles(client).await?;
        let voters: Vec<u64> =
            roles.iter().filter(|(_, role)| role != "learner").map(|(id, _)| *id).collect();
        (voters.len() == wanted && roles.len() == wanted).then_some(voters)
    })
    .await
}

#[tokio::test]
async fn a_cluster_grows_from_one_to_five_and_shrinks_to_three_while_clients_write() {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let first = cluster.urls();
    let writer = Writer::start(&team, first, "grow");
    let token = team.join_token().await;
    for size in 2..=5 {
        let number = cluster.join(&token);
        cluster.ready(number).await;
        until_voters(&team.admin, size).await;
        writer.knows(cluster.urls());
    }
    let ids = until_voters(&team.admin, 5).await;
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    for number in [5, 4] {
        // Through any node, which need not be the leader.
        let via = team.admin.via(cluster.node(2).url());
        via.delete(&format!("/cluster/members/{number}")).await.data();
        until_voters(&team.admin, number as usize - 1).await;
        // Also through the removed node: it refuses, and does not hang.
        let mut rest = cluster.urls();
        cluster.forget(number);
        rest.truncate(cluster.nodes.len());
        writer.knows(rest);
    }
    writer.finish(&team, &cluster.urls()).await;
    // An id is never used again.
    let number = cluster.join(&token);
    cluster.ready(number).await;
    let ids = until_voters(&team.admin, 4).await;
    assert_eq!(ids, [1, 2, 3, 6]);
}

#[tokio::test]
async fn a_removed_node_says_everywhere_that_it_is_out() {
    const OUT: &str = "this node was removed from the cluster";
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let (removed, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let out = team.admin.via(cluster.node(removed).url());
    team.admin.via(cluster.node(leader).url()).delete(&format!("/cluster/members/{removed}")).await.data();
    let begun = Instant::now();
    let health = eventually("the removed node is not ready for that reason", || async {
        let answer = out.send(Method::GET, "/health/ready", None).await.ok()?;
        let message = answer.body["checks"]["raft"]["message"].as_str()?.to_owned();
        (answer.status == 503 && message.starts_with(OUT)).then_some(message)
    })
    .await;
    println!("known after {:?}: {health}", begun.elapsed());
    let status = out.get("/cluster/status").await;
    assert_eq!((&status.data()["removed"], &status.data()["healthy"]), (&json!(true), &json!(false)));
    let others = team.admin.via(cluster.node(other).url()).get("/cluster/status").await;
    assert_eq!(others.data().get("removed"), None);
    let read = out.send(Method::GET, &team.path("/features"), None).await.expect("it answers");
    assert_eq!(read.status, 503, "{}", read.body);
    assert!(
        read.body["error"]["message"].as_str().is_some_and(|text| text.starts_with(OUT)),
        "{}",
        read.body
    );
    let body = json!({ "slug": "late", "title": "t", "spec": "s" });
    let write = out.send(Method::POST, &team.path("/features"), Some(&body)).await.expect("it answers");
    assert_eq!(
        (write.status.as_u16(), &write.body["error"]["details"]["outcome"]),
        (503, &json!("not_applied"))
    );
    assert!(
        write.body["error"]["message"].as_str().is_some_and(|text| text.starts_with(OUT)),
        "{}",
        write.body
    );
}

#[tokio::test]
async fn a_dead_node_is_replaced_by_a_new_one_while_clients_write() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let writer = Writer::start(&team, cluster.urls(), "replace");
    cluster.node(3).kill();
    let token = team.join_token().await;
    let via = team.admin.via(cluster.node(2).url());
    via.delete("/cluster/members/3").await.data();
    until_voters(&via, 2).await;
    // Both of two voters are needed: with one removed, no voter could fail any more.
    cluster.forget(3);
    let number = cluster.join(&token);
    cluster.ready(number).await;
    assert_eq!(until_voters(&via, 3).await, [1, 2, 4]);
    writer.finish(&team, &cluster.urls()).await;
}

#[tokio::test]
async fn the_leadership_moves_ten_times_while_clients_write() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let writer = Writer::start(&team, cluster.urls(), "move");
    for round in 0..10 {
        let leader = cluster.leader().await;
        let to = leader % 3 + 1;
        let via = team.admin.via(cluster.node(round % 3 + 1).url());
        let moved = eventually("the lead moves", || async {
            let answer = via.post("/cluster/leader", json!({ "to": to })).await;
            answer.status.is_success().then_some(answer)
        })
        .await;
        assert_eq!(moved.data()["leader"], to);
    }
    writer.finish(&team, &cluster.urls()).await;
}

#[tokio::test]
async fn a_node_that_lost_its_data_comes_back_by_itself_under_a_new_id() {
    let mut cluster = Cluster::start_with(3, &["--snapshot-entries", "200"]).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let lost = leader % 3 + 1;
    cluster.node(lost).kill();
    cluster.node(lost).wipe();
    let others: Vec<String> =
        cluster.nodes.iter().filter(|node| node.number != lost).map(Node::url).collect();
    let writer = Writer::start(&team, others, "wiped");
    // Far more than the kept part of the log: the node needs a snapshot.
    for number in 0..600 {
        let body = json!({ "slug": format!("before-{number}"), "title": "t", "spec": "s" });
        let via = team.admin.via(cluster.node(leader).url());
        via.post(&team.path("/features"), body).await.data();
    }
    cluster.node(lost).start();
    cluster.ready(lost).await;
    let via = team.admin.via(cluster.node(leader).url());
    let ids = until_voters(&via, 3).await;
    assert!(!ids.contains(&lost) && ids.contains(&4), "{ids:?}");
    writer.finish(&team, &cluster.urls()).await;
    let back = team.admin.via(cluster.node(lost).url());
    back.get(&team.path("/features/before-599")).await.data();
    // The same after a restart, with the earlier flags.
    cluster.node(lost).terminate();
    cluster.node(lost).start();
    cluster.ready(lost).await;
}

#[tokio::test]
async fn a_node_behind_a_purged_log_catches_up_by_snapshot_while_writes_go_on() {
    let mut cluster = Cluster::start_with(3, &["--snapshot-entries", "200"]).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let behind = leader % 3 + 1;
    cluster.node(behind).kill();
    let via = team.admin.via(cluster.node(leader).url());
    for number in 0..600 {
        let body = json!({ "slug": format!("missed-{number}"), "title": "t", "spec": "s" });
        via.post(&team.path("/features"), body).await.data();
    }
    let others: Vec<String> =
        cluster.nodes.iter().filter(|node| node.number != behind).map(Node::url).collect();
    let writer = Writer::start(&team, others, "meanwhile");
    cluster.node(behind).start();
    cluster.ready(behind).await;
    writer.finish(&team, &cluster.urls()).await;
    let own = team.admin.via(cluster.node(behind).url());
    own.get(&team.path("/features/missed-0?consistency=stale")).await.data();
    assert_eq!(until_voters(&via, 3).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_node_ten_thousand_entries_behind_a_purged_log_catches_up_with_the_default_settings() {
    /// The number of concurrent writers: each waits for its answer.
    const WRITERS: usize = 50;
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let behind = leader % 3 + 1;
    cluster.node(behind).kill();
    let via = team.admin.via(cluster.node(leader).url());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (team, via) = (team.clone(), via.clone());
        writers.spawn(async move {
            for number in 0..10_000 / WRITERS {
                let body = json!({ "slug": format!("missed-{writer}-{number}"), "title": "t", "spec": "s" });
                via.post(&team.path("/features"), body).await.data();
            }
        });
    }
    writers.join_all().await;
    // All but the last 5,000 entries are purged: the missing entries are only in the snapshot.
    via.post("/cluster/snapshot", json!({})).await.data();
    let others: Vec<String> =
        cluster.nodes.iter().filter(|node| node.number != behind).map(Node::url).collect();
    let writer = Writer::start(&team, others, "meanwhile");
    cluster.node(behind).start();
    cluster.ready(behind).await;
    writer.finish(&team, &cluster.urls()).await;
    let own = team.admin.via(cluster.node(behind).url());
    own.get(&team.path("/features/missed-0-0?consistency=stale")).await.data();
    cluster.same_state(&via).await;
}

#[tokio::test]
async fn a_step_that_would_lose_the_quorum_is_refused() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let dead = leader % 3 + 1;
    cluster.node(dead).kill();
    let via = team.admin.via(cluster.node(leader).url());
    let alive = (1..=3).find(|number| *number != leader && *number != dead).expect("three nodes");
    let refused = eventually("the leader notices the silence", || async {
        let answer = via.delete(&format!("/cluster/members/{alive}")).await;
        (answer.status == 400).then_some(answer)
    })
    .await;
    assert!(refused.message().contains("no quorum would be left"), "{}", refused.message());
    let unknown = via.delete("/cluster/members/99").await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "NOT_FOUND"));
    let forbidden = team.stranger("ana").await.client.via(cluster.node(leader).url());
    assert_eq!(forbidden.post("/cluster/join-tokens", json!({})).await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(forbidden.delete("/cluster/members/1").await.code(), "INSUFFICIENT_ROLE");
}
