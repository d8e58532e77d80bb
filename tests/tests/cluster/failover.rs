//! Nodes are lost while clients work: no acknowledged write is lost, nothing is applied twice, and requests that cannot
//! be served are refused soon.

use nexus_tests::{
    Client, Cluster, Node, Team, eventually, history,
    work::{self, Plan},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const COMMITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/commits.jsonl");

#[tokio::test]
async fn agents_on_real_commits_lose_their_leader_and_every_feature_is_done_once() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 1, "session.grace": 0.5, "session.unattended": 5 })).await;
    let commits = work::commits(COMMITS.as_ref(), 120).expect("the excerpt can be read");
    let slugs = work::write_features(&team, &commits).await;
    let plan = Plan {
        agents: 16,
        dies_once_in: 12,
        work_per_file: Duration::from_millis(1),
        kill_leader: true,
        seed: 7,
    };
    let report = work::run(&mut cluster, &team, slugs.len(), plan).await;
    assert_eq!(report.done.len(), slugs.len());
    let listed = team.admin.via(&cluster.urls()[1]).get(&team.path("/status")).await;
    assert_eq!(listed.data()["activeFeatures"], json!([]));
    println!("{report:?}");

    for node in &mut cluster.nodes {
        node.terminate();
    }
    for node in &cluster.nodes {
        let verdict = history::check(&node.data_dir()).await;
        assert!(verdict.picks >= slugs.len());
    }
}

#[tokio::test]
async fn an_interrupted_request_that_is_sent_again_is_applied_once() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let others: Vec<String> =
        cluster.nodes.iter().filter(|node| node.number != leader).map(Node::url).collect();
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (team, others) = (team.clone(), others.clone());
        writers.spawn(async move {
            let body = json!({ "slug": format!("f-{number}"), "title": "t", "spec": "s" });
            let client = team.admin.via(&others[number % 2]).under_key(format!("create-feature-{number}"));
            let answer = until_answered(&client, &team.path("/features"), &body).await;
            (body, client, answer)
        });
    }
    cluster.node(leader).kill();
    let mut revisions = Vec::new();
    for (body, client, answer) in writers.join_all().await {
        assert_eq!(answer.status, 201, "{}", answer.body);
        // Sent once more through the other node, it gets the same answer with the same revision.
        let again = client.via(&others[0]).post(&team.path("/features"), body).await;
        assert_eq!(again.status, 201);
        assert_eq!((again.data(), again.revision()), (answer.data(), answer.revision()));
        revisions.push(answer.revision());
    }
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 40, "each write was applied once, at its own revision");
    let client = team.admin.via(&others[1]).under_key("create-feature-0");
    let reused =
        client.post(&team.path("/features"), json!({ "slug": "x", "title": "t", "spec": "s" })).await;
    assert_eq!((reused.status.as_u16(), reused.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
}

async fn until_answered(client: &Client, path: &str, body: &Value) -> nexus_tests::Answer {
    eventually("the write is answered", || async {
        let answer = client.send(Method::POST, path, Some(body)).await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn writes_go_on_within_three_seconds_after_the_leader_was_killed() {
    /// The promise for a machine that is not overloaded.
    const PROMISED: Duration = Duration::from_secs(3);
    let mut took = Vec::new();
    // A busy machine may take longer once, but not always.
    for round in 0..3 {
        let mut cluster = Cluster::start(3).await;
        let team = Team::of(&cluster).await;
        let leader = cluster.leader().await;
        let others: Vec<String> =
            cluster.nodes.iter().filter(|node| node.number != leader).map(Node::url).collect();
        let client = team.admin.under_key(format!("after-the-leader-{round}"));
        let body = json!({ "slug": "after", "title": "t", "spec": "s" });
        let began = Instant::now();
        cluster.node(leader).kill();
        let mut tries = 0;
        eventually("a write is acknowledged", || {
            tries += 1;
            let via = client.via(&others[tries % 2]);
            let (path, body) = (team.path("/features"), &body);
            async move {
                let answer = via.send(Method::POST, &path, Some(body)).await.ok()?;
                (answer.status == 201).then_some(())
            }
        })
        .await;
        took.push(began.elapsed());
        if took[round] <= PROMISED {
            return;
        }
    }
    panic!("writes went on after {took:?}, {PROMISED:?} are promised");
}

#[tokio::test]
async fn the_last_of_three_nodes_reports_soon_that_there_is_no_quorum() {
    /// The promise, and the time that a busy machine may add.
    const SOON: Duration = Duration::from_secs(5 + 3);
    for is_leader_left in [true, false] {
        let mut cluster = Cluster::start(3).await;
        let team = Team::of(&cluster).await;
        team.ready_feature("one", &["a"]).await;
        let leader = cluster.leader().await;
        let left = if is_leader_left { leader } else { leader % 3 + 1 };
        for number in (1..=3).filter(|number| *number != left) {
            cluster.node(number).kill();
        }
        let alone = team.admin.via(cluster.node(left).url());
        for path in ["/features/one/pick", "/claims/refresh"] {
            let began = Instant::now();
            let write = alone.post(&team.path(path), json!({})).await;
            let took = began.elapsed();
            assert_eq!((write.status.as_u16(), write.code()), (503, "SERVICE_UNAVAILABLE"), "{}", write.body);
            assert!(write.headers.contains_key("retry-after"));
            let outcome = &write.body["error"]["details"]["outcome"];
            assert!(outcome == "unknown" || outcome == "not_applied", "{}", write.body);
            assert!(took <= SOON, "{took:?} until it said so (leader left: {is_leader_left})");
        }
        let began = Instant::now();
        let read = alone.get(&team.path("/features/one")).await;
        assert_eq!((read.status.as_u16(), read.code()), (503, "SERVICE_UNAVAILABLE"));
        assert!(began.elapsed() <= SOON);
        assert!(read.headers.contains_key("retry-after"));
        let stale = alone.get(&team.path("/features/one?consistency=stale")).await;
        assert_eq!(stale.data()["slug"], "one");
        assert!(stale.headers.contains_key("x-nexus-staleness-ms"));
    }
}

#[tokio::test]
async fn without_a_quorum_writes_and_linearizable_reads_are_refused_soon_and_stale_reads_go_on() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    let leader = cluster.leader().await;
    // Only the leader is left: it must not act as the leader any longer.
    let lost: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
    for number in &lost {
        cluster.node(*number).kill();
    }
    let url = cluster.node(leader).url();
    let alone = team.admin.via(url);
    let write = alone.post(&team.path("/features/one/pick"), json!({})).await;
    assert_eq!((write.status.as_u16(), write.code()), (503, "SERVICE_UNAVAILABLE"));
    assert!(write.headers.contains_key("retry-after"));
    let outcome = &write.body["error"]["details"]["outcome"];
    assert!(outcome == "unknown" || outcome == "not_applied", "{outcome}");
    let read = alone.get(&team.path("/features/one")).await;
    assert_eq!((read.status.as_u16(), read.code()), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(alone.get("/health").await.status, 503);
    assert_eq!(alone.get("/health/live").await.status, 200);
    let stale = alone.get(&team.path("/features/one?consistency=stale")).await;
    assert_eq!(stale.data()["slug"], "one");
    assert!(stale.headers.contains_key("x-nexus-staleness-ms"));

    cluster.node(lost[0]).start();
    cluster.ready(leader).await;
    let picked = until_answered(&alone, &team.path("/features/one/release"), &json!({})).await;
    // The outcome of the earlier pick is certain now.
    assert!(picked.status == 200 || picked.status == 400, "{}", picked.body);
    until_answered(&alone, &team.path("/features/one/pick"), &json!({})).await.data();
}

#[tokio::test]
async fn after_a_kill_of_all_nodes_nothing_is_lost() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let agent = team.agent(&team.admin, "build").await;
    let picked = agent.post(&team.path("/features/one/pick"), json!({})).await;
    let before = team.admin.get(&team.path("/features/one")).await.data().clone();
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    for url in cluster.urls() {
        let after = team.admin.via(&url).get(&team.path("/features/one")).await;
        assert_eq!(after.data(), &before);
        let claims = team.admin.via(&url).get(&team.path("/claims")).await;
        assert_eq!(claims.data()[0]["fence"], picked.data()["fence"]);
    }
    let rival = team.agent(&team.admin, "rival").await;
    team.ready_feature("two", &["src/"]).await;
    assert_eq!(rival.post(&team.path("/features/two/pick"), json!({})).await.code(), "FILE_ALREADY_CLAIMED");
}

#[tokio::test]
async fn a_paused_leader_answers_no_read_with_its_old_state() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    let paused = cluster.leader().await;
    let (old, other) = {
        let urls = cluster.urls();
        let old = urls[usize::try_from(paused).expect("small") - 1].clone();
        let other = urls.iter().find(|url| **url != old).expect("three nodes").clone();
        (old, other)
    };
    cluster.node(paused).pause();
    let began = Instant::now();
    let picked = until_answered(&team.admin.via(&other), &team.path("/features/one/pick"), &json!({})).await;
    println!("writes went on {:?} after the leader was paused", began.elapsed());
    assert_eq!(picked.data()["status"], "active");
    cluster.node(paused).go_on();
    let read = eventually("the node that was paused reads again", || async {
        let answer = team.admin.via(&old).send(Method::GET, &team.path("/features/one"), None).await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(read.data()["status"], "active");
}

#[tokio::test]
async fn a_leader_transfers_its_leadership_before_it_stops() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    cluster.node(leader).terminate();
    assert!(cluster.node(leader).log().contains("leadership handed over"), "{}", cluster.node(leader).log());
    let other = cluster.nodes.iter().find(|node| node.number != leader).expect("three nodes").url();
    until_answered(
        &team.admin.via(other),
        &team.path("/features"),
        &json!({ "slug": "a", "title": "t", "spec": "s" }),
    )
    .await
    .data();
}

#[tokio::test]
async fn a_leader_that_is_killed_again_and_again_under_load_never_diverges() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let (team, urls, stop) = (team.clone(), cluster.urls(), stop.clone());
        writers.spawn(async move {
            let mut written = Vec::new();
            for number in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                // Not sent again: a write without an answer may or may not have been applied.
                let slug = format!("f-{writer}-{number}");
                let body = json!({ "slug": slug, "title": "t", "spec": "s" });
                let client = team.admin.via(&urls[(writer + number) % 3]);
                let sent = client.send(Method::POST, &team.path("/features"), Some(&body)).await;
                if sent.is_ok_and(|answer| answer.status == 201) {
                    written.push(slug);
                }
            }
            written
        });
    }
    for _ in 0..8 {
        let leader = cluster.leader().await;
        cluster.node(leader).kill();
        // At once: it must not go on leading in its old term with a log whose end is lost.
        cluster.node(leader).start();
        cluster.ready(leader).await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let written: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
    cluster.all_ready().await;
    for node in &mut cluster.nodes {
        node.terminate();
    }
    let mut verdicts = Vec::new();
    for node in &cluster.nodes {
        verdicts.push(history::check(&node.data_dir()).await);
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    for url in cluster.urls() {
        for slug in written.iter().step_by(7) {
            team.admin.via(&url).get(&team.path(&format!("/features/{slug}?consistency=stale"))).await.data();
        }
    }
    // At the same revision, all nodes have applied the same entries.
    let hashes = eventually("all nodes are at one revision", || async {
        let mut seen = Vec::new();
        for url in cluster.urls() {
            let status = team.admin.via(&url).get("/cluster/status").await;
            seen.push((status.data()["applied"].clone(), status.data()["stateHash"].clone()));
        }
        seen.iter().all(|(applied, _)| *applied == seen[0].0).then_some(seen)
    })
    .await;
    assert!(hashes.iter().all(|(_, hash)| *hash == hashes[0].1), "{hashes:?} {verdicts:?}");
    println!("{} writes acknowledged over 8 killed leaders", written.len());
}
