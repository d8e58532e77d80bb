//! Nodes that are far from each other: what a write and a read cost in round trips, through a voter and through a
//! learner. Durations are compared with a round trip that is far longer than everything else that a request waits for,
//! and the quickest of several attempts counts, so that a slow machine decides nothing.

use nexus_tests::{Client, in_process::InProcessCluster, links::Links};
use serde_json::json;
use std::time::{Duration, Instant};

/// The round trip between two regions: less than half of the time between heartbeats, within which a leader must hear
/// of them.
const FAR: Duration = Duration::from_millis(120);
/// Attempts, of which the quickest counts.
const ATTEMPTS: u32 = 8;

/// Two voters near each other, of which the first leads, and a third one that is far from both.
async fn two_near_and_one_far() -> (InProcessCluster, Links) {
    let links = Links::default();
    let cluster = links.start_three().await;
    links.set_round_trip(0, 2, FAR);
    links.set_round_trip(1, 2, FAR);
    (cluster, links)
}

/// The round trips that a request takes: those of its quickest attempt.
async fn round_trips<F: Future<Output = ()>>(mut request: impl FnMut(u32) -> F) -> f64 {
    let mut quickest = Duration::MAX;
    for attempt in 0..ATTEMPTS {
        let began = Instant::now();
        request(attempt).await;
        quickest = quickest.min(began.elapsed());
    }
    quickest.as_secs_f64() / FAR.as_secs_f64()
}

async fn of_a_write(client: &Client, name: &str) -> f64 {
    round_trips(|attempt| async move {
        let slug = format!("{name}-{attempt}");
        client.post("/projects", json!({ "name": slug, "slug": slug })).await.data();
    })
    .await
}

async fn of_a_read(client: &Client) -> f64 {
    round_trips(|_| async move {
        client.get("/projects").await.data();
    })
    .await
}

async fn of_a_stale_read(client: &Client) -> f64 {
    round_trips(|_| async move {
        client.get("/projects?consistency=stale").await.data();
    })
    .await
}

/// Fewer than that many and a half: no other one is hidden in it.
#[track_caller]
fn expect(found: f64, expected: u32, what: &str) {
    println!("{what}: {found:.2} round trips");
    let most = f64::from(expected) + 0.5;
    assert!(found < most, "{what} takes {found:.2} round trips, and {expected} would do");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_through_a_far_voter_costs_one_round_trip_to_the_leader() {
    let (cluster, links) = two_near_and_one_far().await;
    let far = cluster.admin.via(&cluster.nodes[2].url);
    let near = cluster.admin.via(&cluster.nodes[1].url);
    // Connections exist from here on.
    far.get("/projects").await.data();
    let dials = links.dials();
    expect(of_a_write(&near, "near").await, 0, "a write near the leader, whose quorum is near");
    expect(of_a_write(&far, "far").await, 1, "a write through a far voter");
    expect(of_a_read(&near).await, 0, "a read near the leader");
    expect(of_a_read(&far).await, 1, "a read on a far voter");
    let made = links.dials() - dials;
    assert!(made < u64::from(ATTEMPTS), "{made} new connections: requests share those that there are");

    // As a replica it costs the same, and no quorum is ever far.
    let change = async |change: &str| {
        cluster.admin.post(&format!("/cluster/members/3/{change}"), json!({})).await.data();
    };
    change("demote").await;
    let on_replica = of_a_read(&far).await;
    expect(on_replica, 1, "a read on a far replica");
    expect(of_a_write(&far, "replica").await, 1, "a write through a far replica");
    expect(of_a_stale_read(&far).await, 0, "a stale read on a far replica");
    change("promote").await;

    // The quorum is far, too.
    links.set_round_trip(0, 1, FAR);
    expect(of_a_write(&cluster.admin, "quorum").await, 1, "a write on the leader, whose quorum is far");
    expect(of_a_write(&far, "both").await, 2, "a write through a far voter, with a far quorum");
    expect(of_a_read(&cluster.admin).await, 1, "a read on the leader, whose quorum is far");
    let on_voter = of_a_read(&far).await;
    expect(on_voter, 2, "a read on a far voter, with a far quorum");
    assert!(on_voter - on_replica > 0.5, "a replica of voters that are near each other saves a round trip");
    cluster.stop().await;
}
