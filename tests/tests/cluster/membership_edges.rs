//! Edge cases of membership changes: the leader itself is removed or dies, a removed node comes back, a node dies while
//! the cluster is formed or while it receives a snapshot.

use nexus_tests::{Client, Cluster, Team, cluster::free_addrs, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn voters(client: &Client) -> Option<Vec<u64>> {
    let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
    let status = &answer.body["data"];
    let nodes = status["nodes"].as_array().filter(|_| status["healthy"] == true)?;
    Some(
        nodes
            .iter()
            .filter(|node| node["role"] != "learner")
            .filter_map(|node| node["id"].as_u64())
            .collect(),
    )
}

async fn until_voters(client: &Client, wanted: &[u64]) {
    eventually(&format!("the voters are {wanted:?}"), || async {
        (voters(client).await? == wanted).then_some(())
    })
    .await;
}

fn feature(slug: &str) -> Value {
    json!({ "slug": slug, "title": "t", "spec": "s" })
}

/// Retries a write until it is acknowledged.
async fn write(team: &Team, client: &Client, slug: &str) {
    eventually(&format!("{slug} is written"), || async {
        let sent = client.send(Method::POST, &team.path("/features"), Some(&feature(slug))).await.ok()?;
        matches!(sent.status.as_u16(), 201 | 409).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_removes_itself_transfers_its_leadership_first() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let rest: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
    let other = team.admin.via(cluster.node(rest[0]).url());
    let path = format!("/cluster/members/{leader}");
    let keyed = team.admin.under_key("take-it-out");
    let removed = keyed.via(cluster.node(leader).url()).delete(&path).await;
    assert_eq!(removed.status, 200, "{}", removed.body);
    until_voters(&other, &rest).await;
    // A client without the answer retries through a remaining node, with or without the idempotency key.
    for again in [keyed.via(other.base()), other.clone()] {
        let again = again.delete(&path).await;
        assert_eq!(again.data(), removed.data());
    }
    let elsewhere = keyed.via(other.base()).delete(&format!("/cluster/members/{}", rest[0])).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
    write(&team, &other, "after").await;
    // The removed node answers no linearizable read, and disturbs nobody.
    let gone = team.admin.via(cluster.node(leader).url());
    eventually("the removed node is not ready", || async {
        let answer = gone.send(Method::GET, "/health/ready", None).await.ok()?;
        (answer.status == 503).then_some(())
    })
    .await;
    let answer = gone.post(&team.path("/features"), feature("through-the-removed-one")).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
}

#[tokio::test]
async fn a_lagging_node_without_a_leader_takes_no_member_for_removed() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let (lagging, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let through_leader = team.admin.via(cluster.node(leader).url());
    // A node joins that one voter never hears of.
    cluster.node(lagging).pause();
    let token = through_leader.post("/cluster/join-tokens", json!({})).await.data()["token"].clone();
    let token = token.as_str().expect("a token").to_owned();
    let servers = [cluster.node(leader).url()];
    let new = cluster.join_through(&token, &servers);
    cluster.ready(new).await;
    // Then these two are alone, without a quorum.
    cluster.node(leader).kill();
    cluster.node(other).kill();
    cluster.node(lagging).go_on();
    for number in [lagging, new] {
        let asked = team.admin.via(cluster.node(number).url());
        eventually("it has no quorum", || async {
            let answer = asked.send(Method::GET, "/health/ready", None).await.ok()?;
            (answer.status == 503).then_some(())
        })
        .await;
    }
    // Each question takes up to a second: in these, the new node asks the lagging one several times.
    let new = team.admin.via(cluster.node(new).url());
    for _ in 0..5 {
        let answer = new.send(Method::GET, "/health/ready", None).await.expect("it answers");
        let message = answer.body["checks"]["raft"]["message"].as_str().unwrap_or_default();
        assert!(!message.contains("removed"), "{}", answer.body);
    }
}

#[tokio::test]
async fn two_voters_removed_at_once_do_not_cost_the_quorum() {
    // Each removal alone is safe, with one of four dead; both together would leave one living voter of two.
    for round in 0..3 {
        let mut cluster = Cluster::start(4).await;
        let team = Team::of(&cluster).await;
        let leader = cluster.leader().await;
        let [dead, one, other] = [1, 2, 3].map(|step| (leader + step - 1) % 4 + 1);
        cluster.node(dead).kill();
        let via = team.admin.via(cluster.node(leader).url());
        let remove =
            async |number: u64| via.delete(&format!("/cluster/members/{number}")).await.status.as_u16();
        let done = tokio::join!(remove(one), remove(other));
        assert!(done.0 != 200 || done.1 != 200, "round {round}: both were removed");
        eventually("writes go on", || async {
            let slug = format!("after-{}", uuid::Uuid::now_v7());
            let sent = via.send(Method::POST, &team.path("/features"), Some(&feature(&slug))).await.ok()?;
            (sent.status == 201).then_some(())
        })
        .await;
        let voters = voters(&via).await.expect("it is healthy");
        assert!(voters.len() >= 3, "round {round}: {voters:?} after {done:?}");
    }
}

#[tokio::test]
async fn a_node_joins_through_a_follower_also_with_wrong_addresses_in_its_list() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let token = team.join_token().await;
    let follower = cluster.leader().await % 3 + 1;
    let (stranger, follower) = (Cluster::start(1).await, cluster.node(follower).url());
    let nobody = format!("http://{}", free_addrs(1)[0]);
    // A node of another cluster does not know the token, and nobody is at the second address.
    let number = cluster.join_through(&token, &[stranger.urls()[0].clone(), nobody, follower]);
    cluster.ready(number).await;
    until_voters(&team.admin, &[1, 2, 3, 4]).await;
    // If no node admits it, it ends with an error.
    let number = cluster.join_through(&token, &stranger.urls());
    cluster.node(number).ended().await;
    let log = cluster.node(number).log();
    assert!(log.contains("is not let in") && log.contains("join token is unknown"), "{log}");
}

#[tokio::test]
async fn a_removed_node_with_its_old_data_disturbs_nobody_and_logs_the_remedy() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let removed = leader % 3 + 1;
    let via = team.admin.via(cluster.node(leader).url());
    via.delete(&format!("/cluster/members/{removed}")).await.data();
    let rest: Vec<u64> = (1..=3).filter(|number| *number != removed).collect();
    until_voters(&via, &rest).await;
    cluster.node(removed).terminate();
    let term = via.get("/cluster/status").await.data()["term"].clone();
    cluster.node(removed).start();
    eventually("it says what happened to it", || {
        let log = cluster.node(removed).log();
        async move { log.contains("this node was removed from the cluster").then_some(()) }
    })
    .await;
    write(&team, &via, "meanwhile").await;
    let status = via.get("/cluster/status").await;
    assert_eq!((&status.data()["term"], &status.data()["leader"]), (&term, &json!(leader)));
    // With an empty folder and a token, it is a new node.
    let token = team.admin.via(cluster.node(leader).url()).post("/cluster/join-tokens", json!({})).await;
    let token = token.data()["token"].as_str().expect("a token").to_owned();
    cluster.forget(removed);
    let number = cluster.join(&token);
    cluster.ready(number).await;
    until_voters(&via, &[rest[0], rest[1], 4]).await;
    cluster.same_state(&via).await;
}

#[tokio::test]
async fn a_node_joins_although_the_leader_dies_meanwhile() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let token = team.join_token().await;
    let leader = cluster.leader().await;
    let number = cluster.join(&token);
    eventually("the guest asks to be let in", || {
        let is_made = cluster.node(number).data_dir().join("db").exists();
        async move { is_made.then_some(()) }
    })
    .await;
    cluster.node(leader).kill();
    cluster.ready(number).await;
    let via = team.admin.via(cluster.node(leader % 3 + 1).url());
    eventually("it is a voter", || async { voters(&via).await?.contains(&4).then_some(()) }).await;
    cluster.node(leader).start();
    cluster.all_ready().await;
    write(&team, &via, "after").await;
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn a_cluster_is_formed_although_its_first_node_is_killed_again_and_again() {
    for delay in [20, 120, 300, 700] {
        let mut cluster = Cluster::prepare(3, &[]);
        for node in &mut cluster.nodes {
            node.start();
        }
        // It dies at any point while the cluster is formed.
        tokio::time::sleep(Duration::from_millis(delay)).await;
        cluster.node(1).kill();
        tokio::time::sleep(Duration::from_millis(delay / 2)).await;
        cluster.node(1).start();
        cluster.all_ready().await;
        let team = Team::of(&cluster).await;
        until_voters(&team.admin, &[1, 2, 3]).await;
        write(&team, &team.admin, "first").await;
        cluster.same_state(&team.admin).await;
    }
}

#[tokio::test]
async fn a_node_that_is_killed_during_a_snapshot_gets_the_snapshot_again() {
    let mut cluster = Cluster::start_with(3, &["--snapshot-entries", "150"]).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let behind = leader % 3 + 1;
    cluster.node(behind).kill();
    let via = team.admin.via(cluster.node(leader).url());
    let spec = "x".repeat(100_000);
    for number in 0..400 {
        let body = json!({ "slug": format!("f-{number}"), "title": "t", "spec": spec });
        via.post(&team.path("/features"), body).await.data();
    }
    for delay in [60, 110, 160, 210, 260, 320] {
        cluster.node(behind).start();
        // At some point between its first connection and the end of the installation.
        tokio::time::sleep(Duration::from_millis(delay)).await;
        cluster.node(behind).kill();
    }
    cluster.node(behind).start();
    cluster.ready(behind).await;
    let back = team.admin.via(cluster.node(behind).url());
    assert_eq!(back.get(&team.path("/features/f-0")).await.data()["spec"], spec.as_str());
    cluster.same_state(&via).await;
}
