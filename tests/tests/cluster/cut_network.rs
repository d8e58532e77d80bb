//! Networks break, in one or both directions, and again and again: the side with a majority goes on, the other side
//! refuses soon, and afterwards all nodes have the same state. Each node is in a network of its own. If this machine
//! does not allow that, these tests report it and do nothing.

use nexus_node::raft::setup::Timing;
use nexus_tests::{Answer, Client, Cluster, Team, eventually, history, netns::Networks};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const NODES: usize = 3;
/// A refusal without a quorum comes in this time: four seconds by the contract, and some for a loaded machine.
const SOON: Duration = Duration::from_secs(10);

async fn apart(networks: &Networks) -> Cluster {
    apart_with(networks, &["--insecure-peers"]).await
}

async fn apart_with(networks: &Networks, flags: &[&str]) -> Cluster {
    let at =
        |port: u16| (1..=NODES).map(|number| format!("{}:{port}", networks.host(number))).collect::<Vec<_>>();
    let wrappers: Vec<Vec<String>> = (1..=NODES).map(|number| networks.wrapper(number)).collect();
    let mut cluster = Cluster::at(&at(7401), &at(7501), &wrappers, flags);
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    cluster
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

async fn until_answered(client: &Client, path: &str, body: &Value) -> Answer {
    eventually("the write is answered", || async {
        let answer = client.send(Method::POST, path, Some(body)).await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await
}

/// The leader according to the node at this address, if it is not the former one.
async fn other_leader(client: &Client, before: u64) -> u64 {
    eventually("the majority has a leader", || async {
        let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
        let leader = answer.body["data"]["leader"].as_u64()?;
        (leader != before && answer.body["data"]["healthy"] == true).then_some(leader)
    })
    .await
}

async fn finish(mut cluster: Cluster, team: &Team) {
    cluster.all_ready().await;
    cluster.same_state(&team.admin).await;
    for node in &mut cluster.nodes {
        node.terminate();
    }
    for node in &cluster.nodes {
        history::check(&node.data_dir()).await;
    }
}

#[tokio::test]
async fn a_leader_that_is_cut_off_refuses_soon_and_no_file_has_two_holders() {
    let Some(networks) = Networks::new(NODES) else { return };
    let mut cluster = apart(&networks).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    team.ready_feature("two", &["src/"]).await;
    let (ana, ben) = (team.engineer("ana").await, team.engineer("ben").await);
    let build = team.agent(&ana.client, "build").await;
    let rival = team.agent(&ben.client, "rival").await;
    let leader = cluster.leader().await;
    let alone = cluster.node(leader).url();
    let other = cluster.node(leader % 3 + 1).url();

    networks.isolate(place(leader));
    // At once, while the node still believes to be the leader.
    let began = Instant::now();
    let cut_off = build.via(&alone);
    let one = team.path("/features/one/pick");
    let (picked, read) =
        tokio::join!(cut_off.post(&one, json!({})), async { cut_off.get(&team.path("/features/one")).await });
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    println!("the leader that was cut off refused after {:?}", began.elapsed());
    assert_eq!((picked.status.as_u16(), picked.code()), (503, "SERVICE_UNAVAILABLE"));
    let outcome = &picked.body["error"]["details"]["outcome"];
    assert!(outcome == "unknown" || outcome == "not_applied", "{outcome}");
    assert!(picked.headers.contains_key("retry-after"));
    assert_eq!((read.status.as_u16(), read.code()), (503, "SERVICE_UNAVAILABLE"));

    let began = Instant::now();
    let next = other_leader(&team.admin.via(&other), leader).await;
    assert_ne!(next, leader);
    let granted = until_answered(&rival.via(&other), &team.path("/features/two/pick"), &json!({})).await;
    println!("the majority served {:?} after it was asked", began.elapsed());
    assert_eq!(granted.data()["status"], "active");
    // The minority grants nothing, and answers no read with its old state.
    let again = cut_off.post(&one, json!({})).await;
    assert_eq!(again.status, 503);
    let stale = cut_off.get(&team.path("/features/two?consistency=stale")).await;
    assert_eq!(stale.data()["status"], "ready");
    assert!(stale.headers.contains_key("x-nexus-staleness-ms"));

    networks.heal(place(leader));
    cluster.ready(leader).await;
    let late = until_answered(&cut_off, &one, &json!({})).await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "FILE_ALREADY_CLAIMED"), "{}", late.body);
    let seen = cut_off.get(&team.path("/features/two")).await;
    assert_eq!(seen.data()["status"], "active");
    finish(cluster, &team).await;
}

#[tokio::test]
async fn a_leader_with_one_broken_direction_is_replaced() {
    let Some(networks) = Networks::new(NODES) else { return };
    let mut cluster = apart(&networks).await;
    let team = Team::of(&cluster).await;
    for is_mute in [true, false] {
        let leader = cluster.leader().await;
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        let ways: Vec<(usize, usize)> = others
            .iter()
            .map(|other| {
                let (this, other) = (place(leader), place(*other));
                if is_mute { (this, other) } else { (other, this) }
            })
            .collect();
        for (from, to) in &ways {
            networks.cut_one_way(*from, *to);
        }
        let via = team.admin.via(cluster.node(others[0]).url());
        other_leader(&via, leader).await;
        let body = json!({ "slug": format!("mute-{is_mute}"), "title": "t", "spec": "s" });
        let written = until_answered(&via, &team.path("/features"), &body).await;
        // A write with a 503 may have been applied.
        assert!(matches!(written.status.as_u16(), 201 | 409), "{}", written.body);
        let began = Instant::now();
        let read = team.admin.via(cluster.node(leader).url()).get(&team.path("/features")).await;
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!(read.status, 503, "mute: {is_mute}: {}", read.body);
        for (from, to) in &ways {
            networks.heal_one_way(*from, *to);
        }
        cluster.all_ready().await;
    }
    finish(cluster, &team).await;
}

#[tokio::test]
async fn a_broken_path_between_a_leader_and_one_follower_stops_nobody() {
    let Some(networks) = Networks::new(NODES) else { return };
    let mut cluster = apart(&networks).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let follower = leader % 3 + 1;
    networks.cut_one_way(place(leader), place(follower));
    for number in 0..20 {
        let via = team.admin.via(cluster.node(leader).url());
        let body = json!({ "slug": format!("f-{number}"), "title": "t", "spec": "s" });
        let written = until_answered(&via, &team.path("/features"), &body).await;
        assert!(matches!(written.status.as_u16(), 201 | 409), "{}", written.body);
    }
    networks.heal_one_way(place(leader), place(follower));
    finish(cluster, &team).await;
}

#[tokio::test]
async fn flapping_links_under_load_lose_no_write_and_give_no_file_two_holders() {
    let Some(networks) = Networks::new(NODES) else { return };
    let mut cluster = apart(&networks).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 2, "session.grace": 1 })).await;
    for number in 0..6 {
        team.ready_feature(&format!("f-{number}"), &[&format!("src/{}.rs", number % 3), "docs/*.md"]).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut agents = tokio::task::JoinSet::new();
    for agent in 0..6_usize {
        let engineer = team.engineer(&format!("e{agent}")).await;
        let acting = team.agent(&engineer.client, "agent").await;
        let (team, urls, stop) = (team.clone(), cluster.urls(), stop.clone());
        agents.spawn(async move {
            let (mut written, mut picks) = (Vec::new(), 0_usize);
            for round in 0..usize::MAX {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let via = acting.via(&urls[(agent + round) % NODES]);
                let slug = format!("w-{agent}-{round}");
                let body = json!({ "slug": slug, "title": "t", "spec": "s" });
                let soon = |path: String, body: Value| {
                    let via = via.clone();
                    async move {
                        // A client with a shorter timeout than the node, as many have.
                        let sent = via.send(Method::POST, &path, Some(&body));
                        tokio::time::timeout(Duration::from_secs(5), sent).await.ok()?.ok()
                    }
                };
                if soon(team.path("/features"), body).await.is_some_and(|answer| answer.status == 201) {
                    written.push(slug);
                }
                let feature = format!("/features/f-{}", (agent + round) % 6);
                let picked = soon(team.path(&format!("{feature}/pick")), json!({})).await;
                picks += usize::from(picked.is_some_and(|answer| answer.status == 200));
                soon(team.path(&format!("{feature}/release")), json!({})).await;
            }
            (written, picks)
        });
    }
    for round in 0..6_usize {
        let number = if round % 2 == 0 { place(cluster.leader().await) } else { round % NODES + 1 };
        networks.plug(number, false);
        // The others must go on without it.
        let via = team.admin.via(cluster.nodes[number % NODES].url());
        other_leader(&via, number as u64).await;
        networks.plug(number, true);
    }
    stop.store(true, Ordering::Relaxed);
    cluster.all_ready().await;
    let (mut written, mut picks) = (Vec::new(), 0);
    for (slugs, picked) in agents.join_all().await {
        written.extend(slugs);
        picks += picked;
    }
    assert!(!written.is_empty());
    println!("{} writes and {picks} picks acknowledged while links came and went", written.len());
    for url in cluster.urls() {
        let via = team.admin.via(url);
        for slug in &written {
            via.get(&team.path(&format!("/features/{slug}"))).await.data();
        }
    }
    finish(cluster, &team).await;
}

/// The leader and its term, according to the node at this address.
async fn leader_and_term(client: &Client) -> Option<(u64, u64)> {
    let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
    let status = &answer.body["data"];
    (status["healthy"] == true).then_some((status["leader"].as_u64()?, status["term"].as_u64()?))
}

/// Waits until the leader has heard all others for so long without a break that none of them stands for election any
/// more: packets that were lost are sent again late, after a path has healed.
async fn until_all_are_heard(client: &Client) {
    let since = Cell::new(None);
    eventually("the leader hears all others, and goes on hearing them", || async {
        let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
        let nodes = answer.body["data"]["nodes"].as_array()?.clone();
        let is_heard = |node: &Value| {
            node["role"] == "leader"
                || (node["lastSeenMs"].as_u64().is_some_and(|seen| seen < 300) && node["lag"] == 0)
        };
        let began = since.get().unwrap_or_else(Instant::now);
        since.set(nodes.iter().all(is_heard).then_some(began));
        (since.get()?.elapsed() > Timing::LAN.lease() * 2).then_some(())
    })
    .await;
}

/// The ways in which the path between two nodes can be cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    There,
    Back,
    Both,
}

impl Cut {
    const ALL: [Self; 3] = [Self::There, Self::Back, Self::Both];

    /// Changes the paths that are cut.
    fn change(self, (one, other): (usize, usize), change: impl Fn(usize, usize)) {
        if matches!(self, Self::There | Self::Both) {
            change(one, other);
        }
        if matches!(self, Self::Back | Self::Both) {
            change(other, one);
        }
    }
}

#[tokio::test]
async fn a_cut_between_any_two_nodes_deposes_nobody_and_only_the_one_without_its_leader_refuses() {
    let Some(networks) = Networks::new(NODES) else { return };
    let mut cluster = apart(&networks).await;
    let team = Team::of(&cluster).await;
    let mut number = 0;
    for pair in [(1, 2), (1, 3), (2, 3)] {
        for cut in Cut::ALL {
            // A node that handed over a moment ago, such as one with a slow disk, may still say that it leads.
            let urls = cluster.urls();
            let before = eventually("all know the same leader", || async {
                let mut known = BTreeSet::new();
                for url in &urls {
                    known.insert(leader_and_term(&team.admin.via(url)).await?);
                }
                known.pop_first().filter(|_| known.is_empty())
            })
            .await;
            let leader = before.0;
            let via_leader = team.admin.via(&urls[place(leader) - 1]);
            cut.change(pair, |from, to| networks.cut_one_way(from, to));

            // Both members of a majority get on: the leader, and the node that still reaches it.
            let leads = place(leader);
            let without_leader =
                [(pair.0, pair.1), (pair.1, pair.0)].into_iter().find(|(one, _)| *one == leads);
            let without_leader = without_leader.map(|(_, other)| other);
            for node in (1..=NODES).filter(|node| Some(*node) != without_leader) {
                number += 1;
                let via = team.admin.via(cluster.nodes[node - 1].url());
                let body = json!({ "slug": format!("s-{number}"), "title": "t", "spec": "s" });
                let written = until_answered(&via, &team.path("/features"), &body).await;
                // A write with a 503 may have been applied.
                assert!(matches!(written.status.as_u16(), 201 | 409), "{pair:?} {cut:?}: {}", written.body);
                via.get(&team.path(&format!("/features/s-{number}"))).await.data();
            }
            // The other one acknowledges nothing, and reads nothing that may be old.
            if let Some(node) = without_leader {
                let via = team.admin.via(cluster.nodes[node - 1].url());
                let body = json!({ "slug": format!("lost-{number}"), "title": "t", "spec": "s" });
                let (features, path) = (team.path("/features"), team.path("/features/s-1"));
                let (written, read) = tokio::join!(via.post(&features, body), via.get(&path));
                let (found, now) =
                    ((written.status.as_u16(), read.status.as_u16()), leader_and_term(&via_leader).await);
                let known = format!("leader and term were {before:?}, and node {leader} says {now:?}");
                assert_eq!(found, (503, 503), "{pair:?} {cut:?} through node {node}: {known}");
            }
            assert_eq!(leader_and_term(&via_leader).await, Some(before), "{pair:?} {cut:?}: it leads on");
            cut.change(pair, |from, to| networks.heal_one_way(from, to));
            cluster.all_ready().await;
            until_all_are_heard(&via_leader).await;
        }
    }
    finish(cluster, &team).await;
}

#[tokio::test]
async fn a_link_that_flaps_deposes_nobody() {
    let Some(networks) = Networks::new(NODES) else { return };
    let mut cluster = apart(&networks).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let via = team.admin.via(cluster.node(leader).url());
    let before = eventually("the leader leads", || leader_and_term(&via)).await;
    let pair = (place(leader), place(leader % 3 + 1));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        Cut::Both.change(pair, |from, to| networks.cut_one_way(from, to));
        // Longer than the longest election time-out: the follower asks the others whether they would vote for it.
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        Cut::Both.change(pair, |from, to| networks.heal_one_way(from, to));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(leader_and_term(&via).await, Some(before), "it leads on, in its term");
    }
    finish(cluster, &team).await;
}

#[tokio::test]
async fn a_majority_goes_on_within_two_election_timeouts_whichever_node_is_cut_off() {
    let Some(networks) = Networks::new(NODES) else { return };
    // Times against which a slow machine counts for little.
    let mut cluster = apart_with(&networks, &["--insecure-peers", "--timing", "wan"]).await;
    let team = Team::of(&cluster).await;
    let two_timeouts = Timing::WAN.lease() * 2;
    for number in 1..=NODES {
        let leader = cluster.leader().await;
        let led = place(leader) == number;
        networks.isolate(number);
        let began = Instant::now();
        let via = team.admin.via(cluster.nodes[number % NODES].url());
        let body = json!({ "slug": format!("s-{number}"), "title": "t", "spec": "s" });
        let written = until_answered(&via, &team.path("/features"), &body).await;
        let took = began.elapsed();
        assert!(matches!(written.status.as_u16(), 201 | 409), "{}", written.body);
        println!("without node {number} (leader: {led}), a write took {took:?}");
        assert!(took < two_timeouts, "{took:?}");
        let alone = team.admin.via(cluster.nodes[number - 1].url());
        let body = json!({ "slug": format!("lost-{number}"), "title": "t", "spec": "s" });
        let (features, path) = (team.path("/features"), team.path(&format!("/features/s-{number}")));
        let (refused, read) = tokio::join!(alone.post(&features, body), alone.get(&path));
        assert_eq!((refused.status.as_u16(), read.status.as_u16()), (503, 503), "without a quorum");
        networks.heal(number);
        cluster.all_ready().await;
    }
    finish(cluster, &team).await;
}
