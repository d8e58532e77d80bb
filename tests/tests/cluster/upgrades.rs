//! Rolling upgrades from the last landed version, and the way back: two programs on the same data, side by side, while
//! agents write.

use nexus_tests::{
    Cluster, Team, eventually,
    former::{RULES, former_nexusd, present_rules},
    writers::Writers,
};
use reqwest::Method;
use serde_json::json;
use std::path::Path;

/// The version of the rules that a cluster goes by, as its nodes' folders say: the former program cannot tell.
async fn rules(team: &Team, url: &str) -> Option<u64> {
    let status = team.admin.via(url).send(Method::GET, "/cluster/status", None).await.ok()?;
    status.body["data"]["rules"].as_u64()
}

/// Stops a node, and starts it with another program.
async fn change(cluster: &mut Cluster, number: u64, program: Option<&Path>) {
    cluster.node(number).terminate();
    cluster.node(number).run_program(program);
    cluster.node(number).start();
    cluster.ready(number).await;
}

#[tokio::test]
async fn nodes_are_upgraded_one_after_the_other_and_may_go_back_until_the_last_one_is_new() {
    let Some(former) = former_nexusd() else { return };
    let mut cluster = Cluster::prepare(3, &[]);
    for node in &mut cluster.nodes {
        node.run_program(Some(&former));
        node.start();
    }
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    team.ready_feature("before", &["a"]).await;
    let writers = Writers::start(&team, &cluster.urls(), 2);
    let leader = cluster.leader().await;
    let followers = [leader % 3 + 1, (leader + 1) % 3 + 1];

    for number in followers {
        change(&mut cluster, number, None).await;
        let so_far = writers.done();
        eventually("writes go on", || async { (writers.done() > so_far + 5).then_some(()) }).await;
    }
    // Both new nodes may know newer rules, and the cluster goes by those that the old one knows.
    for number in followers {
        let url = cluster.node(number).url();
        eventually("the cluster goes by the old rules", || async {
            (rules(&team, &url).await? == RULES).then_some(())
        })
        .await;
    }
    // The way back is open, also for the node that leads by now.
    change(&mut cluster, followers[1], Some(&former)).await;
    change(&mut cluster, followers[1], None).await;
    change(&mut cluster, leader, None).await;
    let url = cluster.node(leader).url();
    eventually("the cluster goes by the rules that all know", || async {
        (rules(&team, &url).await? == present_rules()).then_some(())
    })
    .await;
    assert!(writers.stop().await > 20);
    cluster.same_state(&team.admin).await;
    if present_rules() > RULES {
        // A program that does not know the rules reads nothing.
        let number = followers[0];
        cluster.node(number).terminate();
        cluster.node(number).run_program(Some(&former));
        cluster.node(number).start();
        cluster.node(number).ended().await;
        assert!(cluster.node(number).log().contains("start this node with the newer program"));
    }
}

#[tokio::test]
async fn rules_that_are_held_back_keep_the_way_back_open() {
    let Some(former) = former_nexusd() else { return };
    let mut cluster = Cluster::prepare(3, &[]);
    for node in &mut cluster.nodes {
        node.run_program(Some(&former));
        node.start();
    }
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    team.ready_feature("before", &["a"]).await;
    let held = RULES;
    for number in 1..=3 {
        if number == 2 {
            cluster.node(number).add_flags(&["--rules-up-to", &held.to_string()]);
        }
        change(&mut cluster, number, None).await;
    }
    for url in cluster.urls() {
        eventually("the cluster goes by the rules that are held", || async {
            (rules(&team, &url).await? == held).then_some(())
        })
        .await;
    }
    // All of them go back.
    let flag = held.to_string();
    for flag in ["--rules-up-to", &flag] {
        cluster.node(2).drop_flag(flag);
    }
    for number in 1..=3 {
        change(&mut cluster, number, Some(&former)).await;
    }
    team.ready_feature("after", &["b"]).await;
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn a_node_of_the_former_version_joins_one_of_the_present_unless_its_rules_are_too_old() {
    let Some(former) = former_nexusd() else { return };
    let mut cluster = Cluster::start_with(1, &["--rules-up-to", "4"]).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("before", &["a"]).await;
    let token = team.admin.post("/cluster/join-tokens", json!({})).await;
    let token = token.data()["token"].as_str().expect("a token").to_owned();
    let servers = cluster.urls();
    let number = cluster.prepare_join(&token, &servers);
    cluster.node(number).drop_flag("--rules-up-to");
    cluster.node(number).drop_flag("4");
    cluster.node(number).run_program(Some(&former));
    cluster.node(number).start();
    cluster.ready(number).await;
    team.ready_feature("after", &["b"]).await;
    cluster.same_state(&team.admin).await;
}
