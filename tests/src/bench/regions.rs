//! The cost of distance: a cluster of three inside this process, whose nodes are a round trip apart from each other, or
//! two of them together and the third one far away. Times are given in milliseconds and in round trips.

use crate::{in_process::InProcessCluster, links::Links, patience::within};
use reqwest::Method;
use serde_json::json;
use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

/// The round trips that are measured, in milliseconds: one place, one continent, two coasts, two continents.
pub const ROUND_TRIPS_MS: [u64; 4] = [1, 30, 80, 150];
/// Requests of each kind, of which the median counts.
const REQUESTS: usize = 11;
/// Entries that a node lacks before it catches up.
const LAG: usize = 2_000;
/// Writers at once, while entries are written that a node lacks.
const WRITERS: usize = 50;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// The measurements at one round trip.
#[derive(Clone, Debug)]
pub struct Distance {
    round_trip: Duration,
    /// Each with its name.
    requests: Vec<(&'static str, Duration)>,
    election: Duration,
    catch_up: Duration,
}

/// Measures a cluster whose regions are this far from each other.
pub async fn measure(round_trip: Duration) -> Distance {
    let links = Links::default();
    let cluster = links.start_three().await;
    links.set_round_trip(0, 2, round_trip);
    links.set_round_trip(1, 2, round_trip);
    let mut requests = vec![
        ("write at the leader, near quorum", write(&cluster, 0).await),
        ("write through a far voter, near quorum", write(&cluster, 2).await),
        ("read on a far voter, near quorum", read(&cluster, 2).await),
    ];
    change(&cluster, "demote").await;
    requests.extend([
        ("write through a far replica", write(&cluster, 2).await),
        ("read on a far replica", read(&cluster, 2).await),
        ("stale read on a far replica", stale_read(&cluster, 2).await),
    ]);
    change(&cluster, "promote").await;
    links.set_round_trip(0, 1, round_trip);
    requests.extend([
        ("write at the leader, far quorum", write(&cluster, 0).await),
        ("write through a far voter, far quorum", write(&cluster, 2).await),
        ("read on a far voter, far quorum", read(&cluster, 2).await),
    ]);
    let catch_up = catch_up(&cluster, &links).await;
    let election = election(&cluster, &links).await;
    cluster.stop().await;
    Distance { round_trip, requests, election, catch_up }
}

/// A write that may be repeated as often as one likes.
fn settings() -> serde_json::Value {
    json!({ "session.grace": 30 })
}

async fn median<F: Future<Output = ()>>(mut request: impl FnMut() -> F) -> Duration {
    let mut took = Vec::new();
    for _ in 0..REQUESTS {
        let began = Instant::now();
        request().await;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[REQUESTS / 2]
}

async fn write(cluster: &InProcessCluster, at: usize) -> Duration {
    let client = cluster.admin.via(&cluster.nodes[at].url);
    median(|| async {
        client.patch("/cluster/settings", settings()).await.data();
    })
    .await
}

/// Takes the vote of the far node, or gives it back.
async fn change(cluster: &InProcessCluster, change: &str) {
    cluster.admin.post(&format!("/cluster/members/3/{change}"), json!({})).await.data();
}

async fn stale_read(cluster: &InProcessCluster, at: usize) -> Duration {
    let client = cluster.admin.via(&cluster.nodes[at].url);
    median(|| async {
        client.get("/projects?consistency=stale").await.data();
    })
    .await
}

async fn read(cluster: &InProcessCluster, at: usize) -> Duration {
    let client = cluster.admin.via(&cluster.nodes[at].url);
    median(|| async {
        client.get("/projects").await.data();
    })
    .await
}

async fn applied(cluster: &InProcessCluster, at: usize) -> Option<u64> {
    let client = cluster.admin.via(&cluster.nodes[at].url);
    let answer = client.send(Method::GET, "/cluster/status", None).await.ok()?;
    answer.body["data"]["applied"].as_u64()
}

/// The time in which a node gets what was written while it was cut off.
async fn catch_up(cluster: &InProcessCluster, links: &Links) -> Duration {
    links.cut(0, 2, true);
    links.cut(1, 2, true);
    let writers = (0..WRITERS).map(|_| async {
        for _ in 0..LAG / WRITERS {
            cluster.admin.patch("/cluster/settings", settings()).await.data();
        }
    });
    futures::future::join_all(writers).await;
    let target = applied(cluster, 0).await.expect("the leader answers");
    links.cut(0, 2, false);
    links.cut(1, 2, false);
    let began = Instant::now();
    within(PATIENCE, "the node has caught up", || async {
        applied(cluster, 2).await.filter(|applied| *applied >= target)
    })
    .await;
    began.elapsed()
}

/// The time from the loss of the leader to the next write, through another node.
async fn election(cluster: &InProcessCluster, links: &Links) -> Duration {
    links.cut(0, 1, true);
    links.cut(0, 2, true);
    let began = Instant::now();
    let client = cluster.admin.via(&cluster.nodes[1].url);
    within(PATIENCE, "another node leads", || async {
        let answer = client.send(Method::PATCH, "/cluster/settings", Some(&settings())).await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
    began.elapsed()
}

/// All distances, side by side.
#[derive(Clone, Debug)]
pub struct Distances(pub Vec<Distance>);

impl Display for Distances {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |took: Duration| format!("{:.2} s", took.as_secs_f64());
        self.row(out, "round trip between regions", |distance| {
            format!("{} ms", distance.round_trip.as_millis())
        })?;
        for at in 0..self.0.first().map_or(0, |first| first.requests.len()) {
            self.row(out, self.0[0].requests[at].0, |distance| {
                let (_, took) = distance.requests[at];
                let trips = took.as_secs_f64() / distance.round_trip.as_secs_f64();
                format!("{:.1} ms ({trips:.1})", took.as_secs_f64() * 1e3)
            })?;
        }
        self.row(out, "election of another leader", |distance| seconds(distance.election))?;
        self.row(out, &format!("catch-up after {LAG} entries"), |distance| seconds(distance.catch_up))
    }
}

impl Distances {
    fn row(
        &self,
        out: &mut fmt::Formatter<'_>,
        name: &str,
        shown: impl Fn(&Distance) -> String,
    ) -> fmt::Result {
        write!(out, "{name:<42}")?;
        for distance in &self.0 {
            write!(out, "{:>20}", shown(distance))?;
        }
        writeln!(out)
    }
}
