//! Every metric is documented, and every documented metric exists.

use nexus_tests::{Cluster, Socket, Team, cluster::free_addrs, eventually};
use reqwest::Method;
use serde_json::json;
use std::{collections::BTreeSet, fs};
use tokio_tungstenite::tungstenite::Message;

/// The names in the table of docs/monitoring.md's section about metrics.
fn documented() -> BTreeSet<String> {
    let monitoring = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/monitoring.md");
    let monitoring = fs::read_to_string(monitoring).expect("there is a document about monitoring");
    let (_, section) = monitoring.split_once("\n## Metrics\n").expect("it has a section about metrics");
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let names = cells.flat_map(|cell| cell.split('`')).filter(|name| name.starts_with("nexus_"));
    names.map(str::to_owned).collect()
}

async fn metrics(url: &str) -> String {
    let answer = reqwest::get(format!("{url}/metrics")).await.expect("the node answers");
    answer.text().await.expect("a text")
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_metric_exists() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    team.admin.post(&team.path("/features/one/pick"), json!({})).await.data();
    team.admin.get(&team.path("/features/none")).await;
    // A family without a sample is not shown, so a socket of another protocol is closed.
    let mut socket = Socket::open(&team.admin).await;
    socket.send(Message::Binary(vec![0].into())).await;
    assert_eq!(socket.close_code().await, Some(4400));

    let mut shown = BTreeSet::new();
    let mut text = String::new();
    for url in cluster.urls() {
        text.push_str(&metrics(&url).await);
    }
    for line in text.lines() {
        if let Some((name, _)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            assert!(name.starts_with("nexus_"), "{name} is not of this system");
            shown.insert(name.to_owned());
        }
    }
    let documented = documented();
    let missing: Vec<_> = shown.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/monitoring.md does not mention {missing:?}");
    let gone: Vec<_> = documented.difference(&shown).collect();
    assert!(gone.is_empty(), "docs/monitoring.md mentions {gone:?}, which no node measures");

    // Requests by method, route template and status; entities by their state.
    for sample in [
        "nexus_http_requests_total{method=\"GET\",route=\"/api/projects/{project}/features/{slug}\",status=\"404\"} 1",
        "nexus_features{status=\"active\"} 1",
        "nexus_sessions{status=\"active\"} 1",
        "nexus_claims 1",
        "nexus_raft{value=\"is_leader\"} 1",
    ] {
        assert!(text.contains(sample), "no {sample} in {text}");
    }
    // An unknown path does not make a series of its own.
    let _ = cluster.client().send(Method::GET, "/no/such/route/at/all", None).await;
    assert!(!metrics(&cluster.urls()[0]).await.contains("such"));
    // An unknown method does not make one either.
    let word = Method::from_bytes(b"FROBNICATE").expect("any word may be one");
    cluster.client().send(word, "/projects", None).await.expect("the node answers");
    let text = metrics(&cluster.urls()[0]).await;
    assert!(!text.contains("FROB") && text.contains("method=\"other\""), "{text}");
}

#[tokio::test]
async fn a_client_that_disconnects_is_no_longer_counted() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let url = cluster.urls()[0].clone();
    let latest = team.admin.get(&team.path("")).await.revision();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (admin, path) =
                (team.admin.clone(), team.path(&format!("/events?since={latest}&waitMs=30000")));
            tokio::spawn(async move { admin.get(&path).await })
        })
        .collect();
    let counted = async |name: &str, wanted: u64| {
        eventually(&format!("{name} is {wanted}"), || async {
            metrics(&url).await.contains(&format!("\n{name} {wanted}\n")).then_some(())
        })
        .await;
    };
    counted("nexus_long_poll_waiters", 5).await;
    for client in waiting {
        client.abort();
    }
    counted("nexus_long_poll_waiters", 0).await;
    // The request for the metrics itself is one.
    counted("nexus_http_requests_in_flight", 1).await;
}

#[tokio::test]
async fn a_listener_for_monitoring_shows_metrics_and_health_to_anybody_and_nothing_else() {
    let addr = free_addrs(1).remove(0);
    let cluster = Cluster::start_with(1, &["--metrics-listen", &addr]).await;
    let monitoring = cluster.client().via(format!("http://{addr}"));
    assert!(metrics(monitoring.base()).await.contains("nexus_raft{"));
    for (path, status) in [("/health", 200), ("/health/live", 200), ("/api/projects", 404), ("/ws", 404)] {
        let answer = monitoring.send_bare(Method::GET, path, None).await.expect("an answer");
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
}
