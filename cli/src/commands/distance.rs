//! Whether the times of Raft suit the distance between the nodes. Nodes never choose them by themselves: all of them
//! need the same ones, and those of a node whose links are slow for a while would differ from the others'.

use super::check::{Check, State};
use nexus_api_types::cluster::{ClusterStatus, Node, NodeRole, NodeTiming};
use std::collections::BTreeSet;

/// The round trips that an election should wait at least, as etcd advises: a packet that is lost takes several.
const ROUND_TRIPS: u64 = 10;
/// The election timeout of `--timing wan`.
const WAN_ELECTION_MS: u64 = 2_500;

/// A check for each problem; none where the times suit the nodes, or are not known.
pub(super) fn checks(status: &ClusterStatus) -> Vec<Check> {
    const NAME: &str = "timing";
    let mut checks = Vec::new();
    let timings: BTreeSet<(u64, u64)> = status
        .nodes
        .iter()
        .filter_map(|node| node.timing)
        .map(|NodeTiming { heartbeat_ms, election_ms }| (heartbeat_ms, election_ms))
        .collect();
    if timings.len() > 1 {
        let message = "nodes have different times of Raft: the ones that wait least call elections";
        let fix = "start all of them with the same --timing, --heartbeat-ms and --election-ms";
        checks.push(Check::wrong(NAME, State::Warning, message, fix));
    }
    let round_trip_ms = |node: &Node| node.round_trip_us.unwrap_or_default() / 1_000;
    // Elections are among voters, and the node that answers has measured the way from itself: the one from a distant
    // replica says nothing about them.
    let voters = || status.nodes.iter().filter(|node| is_voter(node));
    if !voters().any(|node| node.this_node) {
        return checks;
    }
    let farthest = voters().max_by_key(|node| round_trip_ms(node));
    let shortest = voters().filter_map(|node| node.timing).map(|timing| timing.election_ms).min();
    if let Some((farthest, election_ms)) = farthest.zip(shortest) {
        let needed_ms = round_trip_ms(farthest) * ROUND_TRIPS;
        if needed_ms > election_ms {
            let message = format!(
                "the way to node {} and back takes {} ms, and an election begins after {election_ms} ms",
                farthest.id,
                round_trip_ms(farthest)
            );
            let fix = if needed_ms <= WAN_ELECTION_MS {
                "start one node after the other with --timing wan".to_owned()
            } else {
                format!(
                    "start one node after the other with --timing wan --heartbeat-ms {} --election-ms {needed_ms}",
                    round_trip_ms(farthest)
                )
            };
            checks.push(Check::wrong(NAME, State::Warning, message, fix));
        }
    }
    checks
}

fn is_voter(node: &Node) -> bool {
    match node.role {
        NodeRole::Leader | NodeRole::Voter => true,
        NodeRole::Learner => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The messages and remedies for nodes with these round trips in milliseconds and election timeouts.
    fn found(nodes: &[(Option<u64>, u64)]) -> Vec<(String, String)> {
        found_with(nodes, None)
    }

    /// The same, where the node with this id is a learner.
    fn found_with(nodes: &[(Option<u64>, u64)], learner: Option<usize>) -> Vec<(String, String)> {
        let role = |id: usize| if learner == Some(id) { "learner" } else { "voter" };
        let nodes: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(at, (trip, election))| {
                json!({ "id": at + 1, "role": role(at + 1), "peerAddr": "p:1", "clientAddr": "c:1", "lag": 0, "lastSeenMs": 1,
                    "thisNode": at == 0, "roundTripUs": trip.map(|trip| trip * 1_000),
                    "timing": { "heartbeatMs": 100, "electionMs": election } })
            })
            .collect();
        let status = json!({ "clusterId": null, "nodeId": 1, "version": "1", "leader": 1, "term": 1, "committed": 1,
            "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": 1, "nodes": nodes,
            "timestamp": "2026-01-31T12:00:00Z" });
        let checks = checks(&serde_json::from_value(status).unwrap());
        checks.into_iter().map(|check| (check.message, check.fix.unwrap())).collect()
    }

    #[test]
    fn distant_nodes_need_longer_times() {
        assert_eq!(found(&[(None, 400), (Some(1), 400), (Some(40), 400)]), []);
        let wan = found(&[(None, 400), (Some(1), 400), (Some(41), 400)]);
        assert!(wan.len() == 1 && wan[0].0.contains("node 3 and back takes 41 ms"), "{wan:?}");
        assert_eq!(wan[0].1, "start one node after the other with --timing wan");
        assert_eq!(found(&[(None, 2_500), (Some(250), 2_500)]), []);
        let farther = found(&[(None, 2_500), (Some(300), 2_500)]);
        assert!(farther[0].1.ends_with("--heartbeat-ms 300 --election-ms 3000"), "{farther:?}");
    }

    #[test]
    fn a_distant_learner_needs_no_longer_times() {
        let nodes = [(None, 400), (Some(1), 400), (Some(200), 400)];
        assert_eq!(found_with(&nodes, Some(3)), [], "its own way is longer");
        assert_eq!(found_with(&nodes, Some(1)), [], "it answers, and all ways from it are longer");
        assert_eq!(found_with(&nodes, Some(2)).len(), 1, "the way between two voters");
    }

    #[test]
    fn nodes_need_the_same_times() {
        let found = found(&[(None, 400), (Some(1), 2_500)]);
        assert!(found.len() == 1 && found[0].0.contains("different times"), "{found:?}");
    }
}
