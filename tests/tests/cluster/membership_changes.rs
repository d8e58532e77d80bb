//! Each change of the membership: what its plan says, what it does, and what a node is afterwards.

use nexus_tests::{Client, Cluster, Socket, Team, Writer, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// A node's role, with the word for replicas; none while the cluster does not answer or the node lags.
async fn role(client: &Client, id: u64) -> Option<String> {
    let answer = client.send(Method::GET, "/cluster/members", None).await.ok()?;
    let members = answer.body["data"]["members"].as_array()?;
    let found = members.iter().find(|member| member["id"] == id)?;
    // The leader has heard it, and knows what it lacks.
    found["lag"].as_u64().filter(|lag| *lag < 1_000)?;
    Some(if found["replica"] == true && found["role"] == "learner" {
        "replica".to_owned()
    } else {
        found["role"].as_str()?.to_owned()
    })
}

async fn until_role(client: &Client, id: u64, wanted: &str) {
    eventually(&format!("node {id} is a {wanted}"), || async {
        let role = role(client, id).await?;
        (role == wanted || (wanted == "voter" && role == "leader")).then_some(())
    })
    .await;
}

/// The ids of the members, and of those the voters, once a leader answers.
async fn voters(client: &Client) -> (Vec<u64>, Vec<u64>) {
    eventually("the members are known", || async {
        let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
        let status = &answer.body["data"];
        let nodes = status["nodes"].as_array().filter(|_| status["healthy"] == true)?;
        let ids = |is_wanted: &dyn Fn(&Value) -> bool| -> Vec<u64> {
            nodes.iter().filter(|node| is_wanted(node)).filter_map(|node| node["id"].as_u64()).collect()
        };
        Some((ids(&|_| true), ids(&|node| node["role"] != "learner")))
    })
    .await
}

/// Sends a change until a leader has carried it out. One that was just elected refuses some, since it has not heard the
/// others yet.
async fn change(client: &Client, method: Method, path: &str, body: Value) -> Value {
    eventually(&format!("{method} {path} is done"), || async {
        let answer = client.send(method.clone(), path, Some(&body)).await.ok()?;
        answer.status.is_success().then(|| answer.body["data"].clone())
    })
    .await
}

#[tokio::test]
async fn a_plan_says_what_may_be_lost_and_changes_nothing() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let (other, third) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let via = team.admin.via(cluster.node(other).url());
    let plan = via.delete(&format!("/cluster/members/{third}?dryRun=true")).await;
    let plan = &plan.data()["plan"];
    assert_eq!(plan["steps"], json!([format!("node {third} leaves the cluster")]));
    assert_eq!((&plan["before"]["voters"], &plan["before"]["quorum"]), (&json!([1, 2, 3]), &json!(2)));
    assert_eq!((&plan["before"]["answering"], &plan["before"]["mayLose"]), (&json!([1, 2, 3]), &json!(1)));
    assert_eq!((&plan["after"]["quorum"], &plan["after"]["mayLose"]), (&json!(2), &json!(0)));

    // The leader would hand over first.
    let plan = via.post(&format!("/cluster/members/{leader}/demote?dryRun=true"), json!({})).await;
    let steps = plan.data()["plan"]["steps"].as_array().expect("steps").clone();
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert!(steps[1].as_str().is_some_and(|step| step.starts_with("leadership moves")), "{steps:?}");
    let plan = via.post("/cluster/leader?dryRun=true", json!({ "to": other })).await;
    assert_eq!(
        plan.data()["plan"]["steps"],
        json!([format!("leadership moves from node {leader} to node {other}")])
    );
    assert_eq!(voters(&via).await, (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(cluster.leader().await, leader);

    // A key that a dry run saw is free.
    let keyed = via.under_key("a-key");
    let path = format!("/cluster/members/{third}/promote");
    assert!(keyed.post(&format!("{path}?dryRun=true"), json!({})).await.data()["plan"].is_object());
    assert_eq!(keyed.post(&path, json!({})).await.data(), &json!({ "ok": true }));
    assert_eq!(via.post(&format!("{path}?dryRun=perhaps"), json!({})).await.code(), "VALIDATION_ERROR");

    // What would be refused is refused in the same words.
    cluster.node(third).kill();
    let path = format!("/cluster/members/{other}");
    let through = team.admin.via(cluster.node(leader).url());
    let refused = eventually("the leader notices the silence", || async {
        let answer = through.delete(&format!("{path}?dryRun=true")).await;
        (answer.status == 400).then_some(answer)
    })
    .await;
    assert!(refused.message().contains("no quorum would be left"), "{}", refused.message());
    assert_eq!(through.delete(&path).await.message(), refused.message());
    assert_eq!(through.delete("/cluster/members/99?dryRun=true").await.code(), "NOT_FOUND");
    let plan = through.delete(&format!("/cluster/members/{third}?dryRun=true")).await;
    let plan = &plan.data()["plan"];
    assert_eq!((&plan["before"]["mayLose"], &plan["after"]["mayLose"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_replica_serves_reads_and_forwards_writes_and_gets_no_vote_by_itself() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.newest_rules().await;
    let token = team.join_token().await;
    let replica = cluster.join_as_replica(&token);
    cluster.ready(replica).await;
    until_role(&team.admin, 4, "replica").await;
    let through = team.admin.via(cluster.node(replica).url());
    let body = json!({ "slug": "far", "title": "t", "spec": "s" });
    assert_eq!(through.post(&team.path("/features"), body).await.status, 201);
    for consistency in ["linearizable", "stale"] {
        let read = through.get(&team.path(&format!("/features/far?consistency={consistency}"))).await;
        assert_eq!(read.data()["slug"], "far");
    }
    // A learner that joins after it is promoted, and the replica is not.
    let number = cluster.join(&token);
    cluster.ready(number).await;
    until_role(&team.admin, 5, "voter").await;
    assert_eq!(voters(&team.admin).await, (vec![1, 2, 3, 4, 5], vec![1, 2, 3, 5]));
    let status = team.admin.get("/cluster/status").await;
    assert_eq!(
        (&status.data()["nodes"][3]["replica"], &status.data()["toleratesLosses"]),
        (&json!(true), &json!(1))
    );

    // It is one after a restart, too, and ends by a promotion.
    cluster.node(replica).terminate();
    cluster.node(replica).start();
    cluster.ready(replica).await;
    until_role(&team.admin, 4, "replica").await;
    change(&team.admin, Method::POST, "/cluster/members/4/promote", json!({})).await;
    until_role(&team.admin, 4, "voter").await;
    change(&team.admin, Method::POST, "/cluster/members/4/demote", json!({})).await;
    until_role(&team.admin, 4, "replica").await;
    change(&team.admin, Method::POST, "/cluster/members/4/demote", json!({})).await;
    let metrics = team.admin.open("/metrics").await.expect("metrics").text().await.expect("a text");
    assert!(metrics.contains("nexus_members{role=\"replica\"} 1"), "{metrics}");
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn the_leader_becomes_a_replica_and_one_that_lost_its_data_comes_back_as_one() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.newest_rules().await;
    let leader = cluster.leader().await;
    let other = team.admin.via(cluster.node(leader % 3 + 1).url());
    change(&other, Method::POST, &format!("/cluster/members/{leader}/demote"), json!({})).await;
    until_role(&other, leader, "replica").await;
    let last = other.post(&format!("/cluster/members/{leader}/promote?dryRun=true"), json!({})).await;
    assert_eq!(last.data()["plan"]["steps"].as_array().map(Vec::len), Some(2), "{}", last.body);
    cluster.node(leader).kill();
    cluster.node(leader).wipe();
    cluster.node(leader).start();
    until_role(&other, 4, "replica").await;
    let (members, _) = voters(&other).await;
    assert!(!members.contains(&leader) && members.len() == 3, "{members:?}");
    cluster.ready(leader).await;
}

#[tokio::test]
async fn a_drained_node_leads_no_more_and_serves_until_it_is_restarted() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let own = team.admin.via(cluster.node(leader).url());
    let other = team.admin.via(cluster.node(leader % 3 + 1).url());
    let mut socket = Socket::joined(&own, &team.project, None).await;
    let path = format!("/cluster/members/{leader}/drain");
    let drained = other.under_key("drain-it").post(&path, json!({})).await;
    let now = drained.data()["leader"].as_u64().expect("another leader");
    assert_ne!(now, leader);
    assert_eq!(socket.close_code().await, Some(1001));
    assert_eq!(other.under_key("drain-it").post(&path, json!({})).await.data(), drained.data());
    let ready = own.send(Method::GET, "/health/ready", None).await.expect("it answers");
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (503, &json!("not_ready")));
    let message = ready.body["checks"]["raft"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("draining"), "{message}");

    // It serves what is asked, sockets too, and does not lead.
    let body = json!({ "slug": "through-it", "title": "t", "spec": "s" });
    assert_eq!(own.post(&team.path("/features"), body).await.status, 201);
    let _late = Socket::joined(&own, &team.project, None).await;
    let refused = other.post("/cluster/leader", json!({ "to": leader })).await;
    assert!(refused.message().contains("drained"), "{}", refused.message());
    for _ in 0..4 {
        let moved = change(&other, Method::POST, "/cluster/leader", json!({})).await;
        assert_ne!(moved["leader"], leader);
    }
    let shown = eventually("the status shows it", || async {
        let status = other.get("/cluster/status").await;
        let nodes = status.data()["nodes"].as_array()?.clone();
        nodes.into_iter().find(|node| node["id"] == leader && node["draining"] == true)
    });
    assert_eq!(shown.await["role"], "voter");

    change(&other, Method::DELETE, &path, json!({})).await;
    cluster.ready(leader).await;
    change(&other, Method::POST, &path, json!({})).await;
    cluster.node(leader).terminate();
    cluster.node(leader).start();
    cluster.ready(leader).await;
}

#[tokio::test]
async fn a_node_alone_cannot_be_drained_or_demoted() {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let drained = team.admin.post("/cluster/members/1/drain", json!({})).await;
    assert!(drained.message().starts_with("no other voter answers"), "{}", drained.message());
    cluster.ready(1).await;
    let demoted = team.admin.post("/cluster/members/1/demote", json!({})).await;
    assert!(demoted.message().contains("the last voter"), "{}", demoted.message());
    let replaced = team.admin.post("/cluster/members/1/replace", json!({ "by": 2 })).await;
    assert!(replaced.message().contains("nexus cluster add"), "{}", replaced.message());
    assert_eq!(team.admin.post("/cluster/members/1/replace", json!({})).await.code(), "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_cluster_grows_shrinks_replaces_and_restarts_each_node_under_writers() {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.newest_rules().await;
    let writer = Writer::start(&team, cluster.urls(), "changing");
    let token = team.join_token().await;
    for id in 2..=5 {
        let number = cluster.join(&token);
        cluster.ready(number).await;
        until_role(&team.admin, id, "voter").await;
        writer.knows(cluster.urls());
    }
    assert_eq!(voters(&team.admin).await.1, [1, 2, 3, 4, 5]);

    // Through a node that stays.
    for id in [5, 4] {
        change(&team.admin, Method::DELETE, &format!("/cluster/members/{id}"), json!({})).await;
        let rest: Vec<String> =
            cluster.nodes.iter().filter(|node| node.number != id).map(nexus_tests::Node::url).collect();
        writer.knows(rest);
        cluster.forget(id);
    }
    assert_eq!(voters(&team.admin).await.1, [1, 2, 3]);

    // The disk of a node is lost, and a new node takes its place. A replica waits for that without a vote.
    cluster.node(3).kill();
    cluster.node(3).wipe();
    cluster.forget(3);
    writer.knows(cluster.urls());
    let replacement = cluster.join_as_replica(&token);
    cluster.ready(replacement).await;
    until_role(&team.admin, 6, "replica").await;
    let path = "/cluster/members/3/replace";
    let plan = change(&team.admin, Method::POST, &format!("{path}?dryRun=true"), json!({ "by": 6 })).await;
    assert_eq!(
        plan["plan"]["steps"],
        json!([
            "node 6 is no replica any more",
            "node 6 gets a vote and node 3 leaves the cluster, in one joint step"
        ])
    );
    for _ in 0..2 {
        change(&team.admin, Method::POST, path, json!({ "by": 6 })).await;
        assert_eq!(voters(&team.admin).await, (vec![1, 2, 6], vec![1, 2, 6]));
    }
    writer.knows(cluster.urls());

    // Each node is drained, and its restart cuts nothing off.
    let ids = [(1, 1), (2, 2), (6, replacement)];
    for (id, number) in ids {
        let through = ids.iter().find(|(other, _)| *other != id).expect("another node").1;
        let via = team.admin.via(cluster.node(through).url());
        change(&via, Method::POST, &format!("/cluster/members/{id}/drain"), json!({})).await;
        cluster.node(number).terminate();
        cluster.node(number).start();
        cluster.ready(number).await;
    }
    writer.finish(&team, &cluster.urls()).await;
    cluster.same_state(&team.admin).await;
}
