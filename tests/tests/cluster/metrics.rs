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
    let mut socket = Socket::open(&team.admin).await;
    socket.send(Message::Binary(vec![0].into())).await;
    assert_eq!(socket.close_code().await, Some(4400));

    let mut shown = BTreeSet::new();
    let mut text = String::new();
    for url in cluster.urls() {
        text.push_str(&metrics(&url).await);
    }
    // Only a node with certificates has metrics of them.
    let (encrypted, _certs) = Cluster::start_encrypted(1).await;
    let answer = encrypted.client().open("/metrics").await.expect("the node answers");
    let of_certificates = answer.text().await.expect("a text");
    for sample in ["not_after_timestamp_seconds{use=\"peers\"} ", "reloads_total{outcome=\"done\"} 0\n"] {
        assert!(of_certificates.contains(&format!("nexus_tls_{sample}")), "no {sample} in {of_certificates}");
    }
    text.push_str(&of_certificates);
    // Only a node with a schedule has metrics of scheduled backups.
    let store = tempfile::TempDir::new().expect("a folder for backups");
    let folder = store.path().display().to_string();
    let scheduled = Cluster::start_with(1, &["--backup-to", &folder]).await;
    let answer = scheduled.client().open("/metrics").await.expect("the node answers");
    text.push_str(&answer.text().await.expect("a text"));
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

/// The value of a sample, which is named with its labels; 0 if it is not shown.
fn sample(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().expect("a sample is a number"))
}

#[tokio::test]
async fn what_the_nodes_do_is_counted_where_it_happens() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let mut texts = Vec::new();
    for (number, url) in cluster.urls().into_iter().enumerate() {
        let admin = team.admin.via(url.clone());
        admin.get(&team.path("")).await.data();
        let feature =
            json!({ "slug": format!("of-{number}"), "title": "Each node takes writes", "spec": "do it" });
        admin.post(&team.path("/features"), feature).await.data();
        texts.push(metrics(&url).await);
    }
    let (leaders, followers): (Vec<_>, Vec<_>) =
        texts.iter().partition(|text| sample(text, "nexus_raft{value=\"is_leader\"}") == 1.0);
    let [leader] = leaders[..] else { panic!("one of the nodes leads") };
    for (name, at_least) in [
        ("nexus_raft_commit_seconds_count", 3.0),
        ("nexus_storage_flush_seconds_count", 3.0),
        ("nexus_apply_seconds_count", 3.0),
        ("nexus_read_index_seconds_count", 1.0),
        ("nexus_raft_elections_total{outcome=\"won\"}", 1.0),
    ] {
        assert!(sample(leader, name) >= at_least, "{name} of the leader: {leader}");
    }
    assert!(leader.contains("nexus_raft_quorum_age_seconds "));
    // A bucket of a histogram has all that the smaller ones have.
    let (bucket, count) = ("nexus_apply_seconds_bucket{le=\"+Inf\"}", "nexus_apply_seconds_count");
    assert_eq!(sample(leader, bucket), sample(leader, count));
    for follower in followers {
        assert_eq!(sample(follower, "nexus_raft_commit_seconds_count"), 0.0, "only a leader commits");
        assert!(sample(follower, "nexus_forward_seconds_count") >= 2.0, "a read and a write: {follower}");
        assert!(!follower.contains("nexus_raft_quorum_age_seconds "));
    }
}

#[tokio::test]
async fn refused_picks_expired_leases_and_backups_are_counted() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let url = cluster.urls()[0].clone();
    team.ready_feature("one", &["a"]).await;
    let agent = team.agent(&team.admin, "build").await;
    agent.post(&team.path("/features/one/pick"), json!({})).await.data();
    let refused = team.admin.post(&team.path("/features/one/pick"), json!({})).await;
    assert_eq!(refused.code(), "FEATURE_ALREADY_CLAIMED");
    team.admin.post(&team.path("/features/none-such/pick"), json!({})).await;
    let text = metrics(&url).await;
    assert_eq!(sample(&text, "nexus_picks_refused_total{reason=\"feature_claimed\"}"), 1.0);
    // The reasons of daily work are shown before they happen. A name of a client is never part of a reason.
    assert!(text.contains("nexus_picks_refused_total{reason=\"files_claimed\"} 0"));
    assert!(!text.contains("none-such"));

    assert_eq!(sample(&text, "nexus_leases_expired_total"), 0.0);
    team.settings(json!({ "session.timeout": 1, "session.grace": 1 })).await;
    // From its first heartbeat on, its lease is the short one.
    let id = agent.session().expect("a session").to_owned();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    eventually("a lease expired", || async {
        (sample(&metrics(&url).await, "nexus_leases_expired_total") == 1.0).then_some(())
    })
    .await;

    let at = "nexus_backup_last_success_timestamp_seconds";
    assert_eq!(sample(&text, at), 0.0);
    team.admin.open("/cluster/backup").await.expect("an answer").bytes().await.expect("a backup");
    eventually("a backup is counted", || async { (sample(&metrics(&url).await, at) > 1e9).then_some(()) })
        .await;
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
