//! Disks fill up: growing writes are refused in time, ending and releasing writes go on, and no acknowledged write is
//! lost, not even on a completely full disk.

use nexus_tests::{Client, Cluster, Team, eventually, history, mount::SmallDisk};
use reqwest::Method;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

fn feature(slug: &str) -> Value {
    json!({ "slug": slug, "title": "t", "spec": "s" })
}

/// A write of noticeable size.
async fn write(team: &Team, client: &Client, slug: &str) -> Option<u16> {
    let body = json!({ "slug": slug, "title": "t", "spec": "x".repeat(200_000) });
    let sent = client.send(Method::POST, &team.path("/features"), Some(&body)).await;
    sent.ok().map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn on_a_nearly_full_disk_growing_writes_are_refused_and_the_others_go_on() {
    let mut cluster = Cluster::prepare(1, &["--disk-reserve-mib", "48"]);
    let Some(disk) = SmallDisk::mount(&cluster.node(1).data_dir(), 160) else { return };
    cluster.node(1).start();
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    for slug in ["one", "two", "three", "four", "five"] {
        team.ready_feature(slug, &[&format!("{slug}.rs")]).await;
    }
    let ana = team.engineer("ana").await;
    let build = team.agent(&ana.client, "build").await;
    for slug in ["one", "two", "three"] {
        build.post(&team.path(&format!("/features/{slug}/pick")), json!({})).await.data();
    }
    let dying = team.agent(&ana.client, "dying").await;
    dying.post(&team.path("/features/four/pick"), json!({})).await.data();
    let heartbeat =
        |client: &Client| team.path(&format!("/sessions/{}/heartbeat", client.session().expect("a session")));
    dying.post(&heartbeat(&dying), json!({})).await.data();

    disk.fill(24 * MIB);
    let refused = eventually("what grows is refused", || async {
        let answer = team.admin.post(&team.path("/features"), feature("early")).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.code(), "SERVICE_UNAVAILABLE");
    assert_eq!(refused.body["error"]["details"]["outcome"], "not_applied");
    assert!(refused.headers.contains_key("retry-after"));
    let message = refused.message();
    assert!(
        message.contains("node 1 is nearly full") && message.contains("48 MiB are kept back"),
        "{message}"
    );
    assert!(message.contains("Free space"), "{message}");
    let pick = build.post(&team.path("/features/five/pick"), json!({})).await;
    assert_eq!(
        (pick.status.as_u16(), &pick.body["error"]["details"]["outcome"]),
        (503, &json!("not_applied"))
    );

    // Reads, heartbeats and all ending writes go on.
    assert_eq!(build.get(&team.path("/features/one")).await.data()["status"], "active");
    build.post(&heartbeat(&build), json!({})).await.data();
    for (slug, step) in [("one", "release"), ("two", "done"), ("three", "cancel")] {
        build.post(&team.path(&format!("/features/{slug}/{step}")), json!({})).await.data();
    }
    let health = team.admin.get("/health").await;
    let storage = &health.body["checks"]["storage"];
    assert_eq!(
        (health.status.as_u16(), &storage["status"], &storage["space"]),
        (200, &json!("healthy"), &json!("low"))
    );
    // This would use reserved space; a node with free space can serve it.
    let refused = team.admin.get("/cluster/backup").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "SERVICE_UNAVAILABLE"));
    assert!(refused.message().contains("no room for a snapshot"), "{}", refused.message());
    let status = team.admin.get("/cluster/status").await;
    let node = &status.data()["nodes"][0];
    assert_eq!(node["diskLow"], true, "{node}");
    assert!(node["diskFreeBytes"].as_u64().is_some_and(|free| free < 48 * MIB), "{node}");
    // Leases expire, too.
    team.settings(json!({ "session.timeout": 1, "session.grace": 0.5, "session.unattended": 5 })).await;
    dying.post(&heartbeat(&dying), json!({})).await.data();
    eventually("the dead session's feature is given back", || async {
        let found = team.admin.get(&team.path("/features/four")).await;
        (found.data()["status"] == "ready").then_some(())
    })
    .await;

    disk.clear();
    eventually("it is let in again, by itself", || async {
        let answer = team.admin.post(&team.path("/features"), feature("late")).await;
        (answer.status == 201).then_some(())
    })
    .await;
    let log = cluster.node(1).log();
    assert!(log.contains("the disk is nearly full") && log.contains("the disk has room again"), "{log}");
    cluster.node(1).terminate();
    history::check(&cluster.node(1).data_dir()).await;
}

#[tokio::test]
async fn a_completely_full_disk_stops_the_node_at_once_and_loses_nothing() {
    let mut cluster = Cluster::prepare(1, &["--disk-reserve-mib", "1"]);
    let Some(disk) = SmallDisk::mount(&cluster.node(1).data_dir(), 96) else { return };
    cluster.node(1).start();
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        let slug = format!("before-{number}");
        assert_eq!(write(&team, &team.admin, &slug).await, Some(201));
        acknowledged.push(slug);
    }
    // The node frees its reserve, and the ballast takes that, too. Heartbeats go on until the end.
    team.ready_feature("held", &["a"]).await;
    let build = team.agent(&team.admin, "build").await;
    let session = build.session().expect("a session").to_owned();
    for number in 0..2_000 {
        disk.fill(0);
        let slug = format!("during-{number}");
        if write(&team, &team.admin, &slug).await == Some(201) {
            acknowledged.push(slug);
        }
        let _ = build.send(Method::POST, &team.path(&format!("/sessions/{session}/heartbeat")), None).await;
        if !cluster.node(1).is_running() {
            break;
        }
    }
    cluster.node(1).ended().await;
    let log = cluster.node(1).log();
    assert!(log.contains("the disk is full, found while"), "{log}");
    // It cannot start on the full disk, and logs the reason.
    cluster.node(1).start();
    cluster.node(1).ended().await;
    assert!(cluster.node(1).log().matches("the disk is full").count() >= 2, "{}", cluster.node(1).log());

    disk.clear();
    cluster.node(1).start();
    cluster.all_ready().await;
    for slug in &acknowledged {
        team.admin.get(&team.path(&format!("/features/{slug}"))).await.data();
    }
    println!("{} writes acknowledged before the last byte was taken", acknowledged.len());
    cluster.node(1).terminate();
    history::check(&cluster.node(1).data_dir()).await;
}

#[tokio::test]
async fn a_leader_with_a_full_disk_transfers_its_leadership_and_writes_go_on() {
    let mut cluster = Cluster::prepare(3, &["--disk-reserve-mib", "32", "--snapshot-entries", "200"]);
    let Some(disk) = SmallDisk::mount(&cluster.node(3).data_dir(), 200) else { return };
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    eventually("node 3 leads", || async {
        let answer = team.admin.post("/cluster/leader", json!({ "to": 3 })).await;
        (answer.status == 200 && answer.data()["leader"] == 3).then_some(())
    })
    .await;
    let mut acknowledged = Vec::new();
    let mut writes = 0;
    disk.fill(16 * MIB);
    // Writes go on without a refusal: other nodes have space.
    eventually("the lead moves to a node with room", || async {
        let answer = team.admin.get("/cluster/status").await;
        let leader = answer.body["data"]["leader"].as_u64()?;
        (leader != 3).then_some(())
    })
    .await;
    for _ in 0..10 {
        writes += 1;
        let slug = format!("w-{writes}");
        eventually("a write is acknowledged", || async {
            // A write without an answer may have been applied.
            matches!(write(&team, &team.admin, &slug).await, Some(201 | 409)).then_some(())
        })
        .await;
        acknowledged.push(slug);
    }
    let low = eventually("all can see whose disk is nearly full", || async {
        let status = team.admin.get("/cluster/status").await;
        let nodes = status.body["data"]["nodes"].as_array()?.clone();
        let low: Vec<u64> = nodes
            .iter()
            .filter(|node| node["diskLow"] == true)
            .filter_map(|node| node["id"].as_u64())
            .collect();
        (!low.is_empty()).then_some(low)
    })
    .await;
    assert_eq!(low, [3]);

    for _ in 0..2_000 {
        disk.fill(0);
        writes += 1;
        let slug = format!("w-{writes}");
        if write(&team, &team.admin, &slug).await == Some(201) {
            acknowledged.push(slug);
        }
        if !cluster.node(3).is_running() {
            break;
        }
    }
    cluster.node(3).ended().await;
    assert!(cluster.node(3).log().contains("the disk is full"), "{}", cluster.node(3).log());
    eventually("the others go on", || async {
        matches!(write(&team, &team.admin, "after").await, Some(201 | 409)).then_some(())
    })
    .await;
    acknowledged.push("after".to_owned());

    disk.clear();
    cluster.node(3).start();
    cluster.ready(3).await;
    let back = team.admin.via(cluster.node(3).url());
    for slug in &acknowledged {
        back.get(&team.path(&format!("/features/{slug}"))).await.data();
    }
    println!("{} of {writes} writes acknowledged around the end of a full node", acknowledged.len());
    cluster.same_state(&team.admin).await;
}
