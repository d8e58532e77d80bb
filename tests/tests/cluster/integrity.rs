//! Nodes whose state is wrong: each fences itself, says so everywhere, and is rebuilt, while agents go on. Nobody is
//! fenced without a majority that agrees.

use nexus_domain::{Applied, Proposal, Revision, Row, State};
use nexus_node::{
    integrity::fencing::Restart,
    run::{Sources, Started, start},
};
use nexus_tests::{
    Client, Cluster, Team,
    drift::add_entry,
    eventually,
    fence::{fenced, rebuild},
    in_process::{HangingDisk, InProcessCluster},
    writers::Writers,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Stops all nodes, and adds one entry to the log of each. The state of one of them drifts there.
async fn drift(cluster: &mut Cluster, wrong: u64) {
    for node in &mut cluster.nodes {
        node.kill();
    }
    let mut added = Vec::new();
    for node in &cluster.nodes {
        added.push(add_entry(&node.data_dir(), node.number == wrong).await);
    }
    assert!(added.iter().all(|log_id| *log_id == added[0]), "{added:?}");
    for node in &mut cluster.nodes {
        node.start();
    }
}

async fn nodes(client: &Client) -> Option<Vec<Value>> {
    let status = client.send(Method::GET, "/cluster/status", None).await.ok()?;
    status.body["data"]["nodes"].as_array().cloned()
}

#[tokio::test]
async fn a_node_that_differs_from_a_majority_fences_itself_and_is_rebuilt_while_agents_go_on() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    cluster.same_state(&team.admin).await;
    drift(&mut cluster, 2).await;
    let (wrong, others) = (cluster.node(2).url(), [cluster.node(1).url(), cluster.node(3).url()]);
    let agents = Writers::start(&team, &cluster.urls(), 2);

    let said = fenced(&wrong).await;
    assert!(said.contains("differs from that of a majority. Rebuild it from the others"), "{said}");
    assert!(said.contains("nexus cluster rebuild 2") && !said.contains("state hash"), "{said}");
    let log = |cluster: &mut Cluster| cluster.node(2).log();
    eventually("its process has begun anew", || {
        let is_anew = log(&mut cluster).contains("is FENCED and serves no data");
        async move { is_anew.then_some(()) }
    })
    .await;
    assert!(log(&mut cluster).contains("nodes 1 and 3, a majority"), "{}", log(&mut cluster));
    let alone = team.admin.via(&wrong);
    let status = alone.get("/cluster/status").await;
    assert!(status.data()["fenced"]["reason"].as_str().is_some_and(|why| why.contains("state differs")));
    for path in ["/projects", "/auth/me", "/settings"] {
        let refused = alone.get(path).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (503, "SERVICE_UNAVAILABLE"), "{refused:?}");
        assert!(refused.message().contains("is fenced"), "{refused:?}");
    }
    let metrics = reqwest::get(format!("{wrong}/metrics")).await.expect("it answers").text().await;
    assert!(metrics.expect("a text").contains("nexus_fenced{node=\"2\"} 1"));
    assert!(cluster.node(2).log().contains("FENCED") && !cluster.node(1).log().contains("other=3"));

    // A restart changes nothing.
    cluster.node(2).kill();
    cluster.node(2).start();
    fenced(&wrong).await;
    for other in &others {
        let via = team.admin.via(other);
        eventually("the others say it, too", || async {
            let nodes = nodes(&via).await?;
            let fenced: Vec<&Value> = nodes.iter().filter(|node| node["fenced"].is_object()).collect();
            let is_whole = |node: &Value| {
                node["fenced"]["reason"].as_str().is_some_and(|why| why.contains("state hash"))
            };
            (fenced.len() == 1 && fenced[0]["id"] == 2 && is_whole(fenced[0])).then_some(())
        })
        .await;
        let text = reqwest::get(format!("{other}/metrics")).await.expect("it answers").text().await;
        let text = text.expect("a text");
        assert!(text.contains("nexus_fenced{node=\"2\"} 1") && text.contains("nexus_fenced{node=\"1\"} 0"));
    }

    // Only the one that is fenced, as long as nobody insists.
    let admin = team.admin.via(&others[0]);
    let refused = admin.post("/cluster/members/3/rebuild", json!({})).await;
    assert!(refused.status == 400 && refused.message().contains("is not fenced"), "{refused:?}");
    // Without node 1 or 3, no quorum would be left.
    let refused = admin.post("/cluster/members/3/rebuild", json!({ "force": true })).await;
    assert!(refused.status == 400 && refused.message().contains("no quorum would be left"), "{refused:?}");
    let kept_in = rebuild(&admin, 2).await;
    eventually("it votes again, under a new id", || async {
        let nodes = nodes(&admin).await?;
        let voters =
            nodes.iter().filter(|node| node["role"] != "learner").filter_map(|node| node["id"].as_u64());
        (voters.collect::<Vec<_>>() == [1, 3, 4]).then_some(())
    })
    .await;
    cluster.ready(2).await;
    assert!(Path::new(&kept_in).join("db").exists() && Path::new(&kept_in).join("fenced.json").exists());
    assert!(
        nodes(&team.admin.via(&wrong)).await.expect("it answers").iter().all(|node| node["fenced"].is_null())
    );

    assert!(agents.stop().await > 20);
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn of_two_nodes_that_differ_none_fences_itself_and_both_say_so() {
    let mut cluster = Cluster::start(2).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    cluster.same_state(&team.admin).await;
    drift(&mut cluster, 2).await;
    cluster.all_ready().await;
    for url in cluster.urls() {
        let via = team.admin.via(&url);
        eventually("the node shows the mismatch", || async {
            nodes(&via).await?.iter().any(|node| node["stateMismatch"] == true).then_some(())
        })
        .await;
    }
    assert!(cluster.node(1).log().contains("STATE MISMATCH"));
    // Writes go on, and each further comparison finds the same.
    for number in 0..3 {
        team.ready_feature(&format!("further-{number}"), &["b"]).await;
        let written = team.admin.get("/cluster/status").await.data()["applied"].as_u64().expect("an index");
        eventually("the other one has reported since", || async {
            let nodes = nodes(&team.admin).await?;
            let other = nodes.iter().find(|node| node["id"] == 2)?;
            (other["applied"].as_u64()? >= written).then_some(())
        })
        .await;
    }
    for url in cluster.urls() {
        let nodes = nodes(&team.admin.via(&url)).await.expect("it answers");
        assert!(nodes.iter().all(|node| node["fenced"].is_null()), "{nodes:?}");
    }
}

#[tokio::test]
async fn a_bit_that_changes_on_the_disk_of_a_node_is_named_and_the_node_is_rebuilt_while_agents_go_on() {
    let mut cluster = Cluster::start_with(3, &["--scrub-interval", "1"]).await;
    let team = Team::of(&cluster).await;
    for number in 0..20 {
        team.ready_feature(&format!("feature-{number}"), &["a"]).await;
    }
    // A start writes what is in the write-ahead log into sorted files.
    cluster.node(2).terminate();
    cluster.node(2).start();
    cluster.ready(2).await;
    let agents = Writers::start(&team, &cluster.urls(), 2);
    let folder = fs::read_dir(cluster.node(2).data_dir().join("db")).expect("a database").flatten();
    let sorted =
        folder.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "sst"));
    let file =
        sorted.max_by_key(|path| fs::metadata(path).map_or(0, |found| found.len())).expect("a sorted file");
    let mut bytes = fs::read(&file).expect("it can be read");
    bytes[20] ^= 0x10;
    fs::write(&file, bytes).expect("it can be written");

    fenced(&cluster.node(2).url()).await;
    let why = cluster.node(2).log();
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(why.contains("checksum") && why.contains(&name), "{why}");
    rebuild(&team.admin, 2).await;
    cluster.ready(2).await;
    assert!(agents.stop().await > 20);
    cluster.same_state(&team.admin).await;
}

/// Rules of a node whose memory changes one bit of a feature behind its back, once. Storage stays as it should be.
fn with_a_flipped_bit(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    static FLIPPED: AtomicBool = AtomicBool::new(false);
    // Agents have begun, so that nothing writes the feature any more.
    let is_due = state.features().count() > 1;
    if is_due && !FLIPPED.swap(true, Ordering::Relaxed) {
        let rows: Vec<Row> = state
            .rows()
            .map(|row| match row {
                Row::Feature(mut feature) if feature.slug.as_str() == "flips" => {
                    Arc::make_mut(&mut feature).updated_at.0 ^= 1;
                    Row::Feature(feature)
                }
                other => other,
            })
            .collect();
        *state = State::from_rows(rows).expect("the rows of a state form one");
    }
    nexus_domain::apply(state, revision, proposal)
}

#[tokio::test]
async fn a_bit_that_flips_in_memory_is_named_and_the_node_is_rebuilt_while_agents_go_on() {
    let mut cluster = InProcessCluster::start_with_rules(3, with_a_flipped_bit).await;
    let admin = cluster.admin.clone();
    let project = admin.post("/projects", json!({ "name": "Demo", "slug": "demo" })).await;
    let team = Team { admin, project: project.data()["id"].as_str().expect("an id").to_owned() };
    team.ready_feature("flips", &["a"]).await;
    let urls: Vec<String> = cluster.nodes.iter().map(|node| node.url.clone()).collect();
    let agents = Writers::start(&team, &urls, 2);

    let second = &mut cluster.nodes[1];
    let running = second.running.take().expect("it runs");
    let Restart::Fenced(fence) = running.restarts().await else { panic!("nobody has ordered a rebuild") };
    assert!(fence.reason.contains("Feature(") && fence.reason.contains("in memory differs"), "{fence:?}");
    assert!(running.end_for(Restart::Fenced(fence)).await, "its folder is free");
    // As its process does. The test holds its disk, too.
    let elsewhere = tempfile::tempdir().expect("a folder for the test");
    second.disk = HangingDisk::open(elsewhere.path());
    let Ok(Started::Fenced(node)) = start(second.config.clone(), Sources::default()).await else {
        panic!("it starts fenced")
    };
    let admin = team.admin.clone();
    let (_, ()) = tokio::join!(rebuild(&admin, 2), node.rebuild_is_ordered());
    node.stop().await;
    let Ok(Started::Running(node)) = start(second.config.clone(), Sources::default()).await else {
        panic!("it starts anew")
    };
    second.running = Some(node);
    eventually("it votes again, under a new id", || async {
        let nodes = nodes(&admin).await?;
        let voters =
            nodes.iter().filter(|node| node["role"] != "learner").filter_map(|node| node["id"].as_u64());
        (voters.collect::<Vec<_>>() == [1, 3, 4]).then_some(())
    })
    .await;
    assert!(agents.stop().await > 20);
    cluster.stop().await;
}
