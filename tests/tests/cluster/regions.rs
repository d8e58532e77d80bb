//! Leadership is with the node of the highest priority, as long as that node is well.

use nexus_tests::{Client, Cluster, Team, patience::within};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The leader and its term, as a node knows them.
async fn leader(client: &Client, url: &str) -> Option<(u64, u64)> {
    let answer = client.via(url).send(reqwest::Method::GET, "/cluster/status", None).await.ok()?;
    let status = answer.body["data"].clone();
    Some((status["leader"].as_u64()?, status["term"].as_u64()?))
}

#[tokio::test]
async fn leadership_goes_to_the_preferred_node_and_does_not_follow_it_while_it_comes_and_goes() {
    let mut cluster = Cluster::prepare(3, &[]);
    for (number, region, priority) in [(1, "us-east", "100"), (2, "eu-west", "200"), (3, "us-east", "100")] {
        cluster.node(number).add_flags(&["--region", region, "--zone", "a", "--priority", priority]);
        cluster.node(number).start();
    }
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    let (url, preferred) = (cluster.node(1).url(), 2);
    let leads = async |what: &str| {
        within(Duration::from_secs(30), what, || async {
            leader(&team.admin, &url).await.filter(|(leader, _)| *leader == preferred)
        })
        .await
    };
    leads("the preferred node leads").await;
    let status = team.admin.via(&url).get("/cluster/status").await;
    let place: &Value = &status.data()["nodes"][1]["place"];
    assert_eq!((place["region"].as_str(), place["priority"].as_u64()), (Some("eu-west"), Some(200)));

    // It comes and goes for half a minute: another node leads, and goes on leading.
    cluster.node(preferred).pause();
    let other = within(Duration::from_secs(30), "another node leads", || async {
        leader(&team.admin, &url).await.filter(|(leader, _)| *leader != preferred)
    })
    .await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        cluster.node(preferred).go_on();
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.node(preferred).pause();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = within(Duration::from_secs(10), "a node leads", || leader(&team.admin, &url)).await;
        assert_eq!(now, other, "leadership stays where it is");
    }
    // Well again, it leads again.
    cluster.node(preferred).go_on();
    leads("the preferred node leads again").await;
    cluster.same_state(&team.admin).await;
}
