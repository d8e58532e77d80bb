//! Traces of requests at a collector: one trace from the client over the node that it reached to the leader.

use nexus_tests::{
    Cluster, Collector, Team, cluster::free_addrs, collector::ReceivedSpan, patience::eventually,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";

/// Spans arrive in batches, two seconds after their end at most.
const ARRIVAL: Duration = Duration::from_secs(5);

fn children<'a>(spans: &'a [ReceivedSpan], of: &str) -> Vec<&'a ReceivedSpan> {
    spans.iter().filter(|span| span.parent == of).collect()
}

#[tokio::test]
async fn one_trace_leads_from_a_client_through_a_follower_to_the_commit_on_the_leader() {
    let collector = Collector::start().await;
    let mut cluster =
        Cluster::start_with(3, &["--otlp-endpoint", collector.url(), "--otlp-ratio", "0"]).await;
    let team = Team::of(&cluster).await;
    let leader = cluster.leader().await;
    let (leader_url, follower_url) = (cluster.node(leader).url(), cluster.node(leader % 3 + 1).url());

    // Nodes tell each other every two seconds that they know of traces: the first requests may be without.
    let mut attempt = 0;
    let spans = eventually("the trace of a forwarded write is whole", || {
        attempt += 1;
        let trace = format!("{:032x}", u128::from_str_radix(TRACE, 16).unwrap_or(1) + attempt);
        let traced =
            team.admin.via(&follower_url).with_header("traceparent", format!("00-{trace}-{CLIENT_SPAN}-01"));
        let (collector, path) = (&collector, team.path("/features"));
        async move {
            let feature = json!({ "slug": format!("traced-{attempt}"), "title": "Traced", "spec": "-" });
            assert_eq!(traced.post(&path, feature).await.status, 201);
            let is_whole = |spans: &[ReceivedSpan]| {
                ["commit", "peer", "forward"].iter().all(|name| spans.iter().any(|span| span.name == *name))
                    && spans.iter().any(|span| span.parent == CLIENT_SPAN)
            };
            let whole = eventually("its spans are received", || async {
                Some(collector.trace(&trace)).filter(|spans| is_whole(spans))
            });
            tokio::time::timeout(ARRIVAL, whole).await.ok()
        }
    })
    .await;

    let entry = children(&spans, CLIENT_SPAN);
    assert_eq!(entry.len(), 1, "{spans:?}");
    assert_eq!(entry[0].name, "POST /api/projects/{project}/features");
    assert_eq!(
        (entry[0].kind, entry[0].attribute("http.response.status_code")),
        (SpanKind::Server, "201".to_owned())
    );
    assert_eq!(format!("http://{}", entry[0].node), follower_url);
    let commit = spans.iter().find(|span| span.name == "commit").expect("it was found above");
    assert_eq!(format!("http://{}", commit.node), leader_url);
    // From the commit back to the client, without a gap and over both nodes.
    let mut path = vec![commit.name.as_str()];
    let mut at = commit;
    while at.parent != CLIENT_SPAN {
        at = spans.iter().find(|span| span.id == at.parent).expect("every parent was received");
        path.push(at.name.as_str());
    }
    assert!(path.ends_with(&["POST /api/projects/{project}/features"]), "{path:?}");
    assert!(path.contains(&"peer") && path.contains(&"forward"), "{path:?}");

    // With a ratio of 0, only what a client traces is traced, and nothing that a node does by itself.
    let others: Vec<_> =
        collector.spans().into_iter().filter(|span| !span.trace.starts_with(&TRACE[..24])).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn a_collector_that_does_not_answer_delays_nothing_and_is_logged_once() {
    let nowhere = format!("http://{}", free_addrs(1)[0]);
    let mut cluster = Cluster::start_with(1, &["--otlp-endpoint", &nowhere]).await;
    let team = Team::of(&cluster).await;
    for number in 0..200 {
        team.ready_feature(&format!("untraced-{number}"), &[]).await;
    }
    let failure = "traces could not be sent to --otlp-endpoint";
    eventually("the failure is logged", || {
        let found = cluster.node(1).log().contains(failure);
        async move { found.then_some(()) }
    })
    .await;
    team.ready_feature("afterwards", &[]).await;
    assert!(cluster.node(1).terminate().is_some_and(|status| status.success()), "it stops in order");
    assert_eq!(cluster.node(1).log().matches(failure).count(), 1);
}
