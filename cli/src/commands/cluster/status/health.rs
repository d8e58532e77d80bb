//! One line about the whole cluster: whether it is healthy, since when, and how many nodes may still be lost.

use crate::{
    output::Tone,
    text::{Clock, format},
};
use nexus_api_types::cluster::{ClusterStatus, Health, Node, NodeRole};

/// A node that the leader did not hear of for this long counts as silent: it answers several times a second when all is
/// well.
const SILENT_MS: u64 = 2_000;

/// Whether the leader has not heard a node for too long. The leader itself is not silent.
pub(super) fn is_silent(node: &Node) -> bool {
    node.role != NodeRole::Leader && node.last_seen_ms.is_none_or(|age| age > SILENT_MS)
}

/// The line, and its colour.
pub(super) fn line(status: &ClusterStatus, clock: &Clock) -> (String, Tone) {
    let (health, rest, tone) = verdict(status);
    let word = match health {
        Health::Healthy => "Healthy",
        Health::Degraded => "Degraded",
        Health::NoLeader => "No leader",
        Health::Fenced => "FENCED",
        Health::Damaged => "DAMAGED",
        Health::StateMismatch => "STATE MISMATCH",
        Health::Removed => "Removed",
    };
    // The node that answers looks every two seconds: until it sees the same, it does not say since when.
    let seen = status.verdict.filter(|verdict| verdict.health == health);
    let since = seen.map_or_else(String::new, |seen| format!(" since {}", clock.short(seen.since)));
    (format!("{word}{since}{rest}"), tone)
}

/// The health, what follows it in the line, and the colour of the line.
fn verdict(status: &ClusterStatus) -> (Health, String, Tone) {
    if status.removed {
        let rest = ": the cluster goes on without this node; ask another one, and stop this one";
        return (Health::Removed, rest.to_owned(), Tone::Bad);
    }
    if let Some(fence) = &status.fenced {
        return (Health::Fenced, fenced(status.node_id, &fence.reason), Tone::Bad);
    }
    if !status.healthy || status.leader.is_none() {
        let rest = ": writes and linearizable reads wait for one; is a majority of the voters running?";
        return (Health::NoLeader, rest.to_owned(), Tone::Bad);
    }
    let voters: Vec<&Node> = status.nodes.iter().filter(|node| node.role != NodeRole::Learner).collect();
    let silent: Vec<String> =
        voters.iter().filter(|node| is_silent(node)).map(|node| node.id.to_string()).collect();
    // Silent nodes count against the number that may be lost.
    let bears = match status.tolerates_losses.saturating_sub(silent.len() as u64) {
        0 => "no further loss is borne".to_owned(),
        1 => "bears the loss of one more node".to_owned(),
        left => format!("bears the loss of {left} more nodes"),
    };
    if let Some((node, fence)) = status.nodes.iter().find_map(|node| Some((node.id, node.fenced.as_ref()?))) {
        let rest = format!("{}; until then, {bears}", fenced(node, &fence.reason));
        return (Health::Fenced, rest, Tone::Bad);
    }
    if let Some((node, damage)) = status.nodes.iter().find_map(|node| Some((node.id, node.damage.as_ref()?)))
    {
        let rest = format!(
            ": node {node} goes on only because the cluster cannot do without it: {damage}. Add a node, or bring a silent \
             one back; then it fences itself"
        );
        return (Health::Damaged, rest, Tone::Bad);
    }
    let differing: Vec<String> =
        status.nodes.iter().filter(|node| node.state_mismatch).map(|node| node.id.to_string()).collect();
    if !differing.is_empty() {
        let rest = format!(
            ": the same entries made different states ({}). A node that differs from a majority fences itself; where there \
             is none, nexus cluster rebuild ID --force rebuilds the one that you know to be wrong",
            differing.join(", ")
        );
        return (Health::StateMismatch, rest, Tone::Bad);
    }
    if silent.is_empty() {
        let rest = match voters.len() {
            1 => {
                return (
                    Health::Healthy,
                    ", but alone: the loss of this node stops everything".to_owned(),
                    Tone::Warn,
                );
            }
            voters if status.tolerates_losses == 0 => format!(": {voters} voters, bears no loss"),
            voters => format!(": {voters} voters, bears the loss of {}", nodes(status.tolerates_losses)),
        };
        return (Health::Healthy, rest, Tone::Good);
    }
    let which = if silent.len() == 1 { "node" } else { "nodes" };
    (Health::Degraded, format!(": silent {which} {}; {bears}", silent.join(", ")), Tone::Warn)
}

fn fenced(node: u64, reason: &str) -> String {
    format!(
        ": node {node} serves and votes no more: {reason}. nexus cluster rebuild {node} --yes gives it the state of the \
         others"
    )
}

fn nodes(number: u64) -> String {
    format::count(usize::try_from(number).unwrap_or(usize::MAX), "node")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::tests::cluster, *};
    use nexus_api_types::{
        Moment,
        cluster::{HealthVerdict, NodeFence},
    };

    fn text(status: &ClusterStatus) -> String {
        line(status, &Clock::fixed("2026-01-31T14:28:00Z")).0
    }

    #[test]
    fn the_health_line_counts_what_may_still_be_lost() {
        assert_eq!(
            text(&cluster(&[None, Some(100), Some(200)])),
            "Healthy: 3 voters, bears the loss of 1 node"
        );
        assert_eq!(
            text(&cluster(&[None, Some(100), None])),
            "Degraded: silent node 3; no further loss is borne"
        );
        assert_eq!(
            text(&cluster(&[None, Some(9_000), Some(1), Some(1), Some(1)])),
            "Degraded: silent node 2; bears the loss of one more node"
        );
        // Four seconds are a lot: a node answers several times a second.
        assert!(text(&cluster(&[None, Some(4_000), Some(1)])).starts_with("Degraded: silent node 2"));
        assert_eq!(text(&cluster(&[None])), "Healthy, but alone: the loss of this node stops everything");
    }

    #[test]
    fn a_replica_that_is_silent_costs_nothing() {
        let mut status = cluster(&[None, Some(1), Some(1), None]);
        status.nodes[3].role = NodeRole::Learner;
        status.tolerates_losses = 1;
        assert_eq!(text(&status), "Healthy: 3 voters, bears the loss of 1 node");
    }

    #[test]
    fn the_line_says_since_when_unless_the_node_has_not_seen_it_yet() {
        let since = Moment::parse("2026-01-31T14:02:00Z").unwrap();
        let seen = |health| {
            let verdict = Some(HealthVerdict { health, since });
            ClusterStatus { verdict, ..cluster(&[None, Some(1), None]) }
        };
        assert_eq!(
            text(&seen(Health::Degraded)),
            "Degraded since 14:02: silent node 3; no further loss is borne"
        );
        assert!(text(&seen(Health::Healthy)).starts_with("Degraded: silent"));
    }

    #[test]
    fn without_a_leader_nothing_is_healthy() {
        let status = ClusterStatus { healthy: false, leader: None, ..cluster(&[None, Some(1), Some(1)]) };
        assert!(text(&status).starts_with("No leader"));
    }

    #[test]
    fn a_removed_node_says_that_it_is_out() {
        let status =
            ClusterStatus { removed: true, leader: None, healthy: false, ..cluster(&[None, Some(1)]) };
        assert!(text(&status).starts_with("Removed"));
    }

    #[test]
    fn a_fenced_node_is_named_with_its_reason_and_the_remedy() {
        let mut status = cluster(&[None, Some(9_000), Some(1)]);
        let fence = NodeFence { since: status.timestamp, reason: "its disk lies".to_owned() };
        (status.nodes[1].fenced, status.nodes[1].state_mismatch) = (Some(fence), true);
        let (text, tone) = line(&status, &Clock::fixed("2026-01-31T14:28:00Z"));
        assert!(text.starts_with("FENCED: node 2") && text.contains("its disk lies"), "{text}");
        assert!(
            text.contains("nexus cluster rebuild 2") && text.ends_with("no further loss is borne"),
            "{text}"
        );
        assert!(matches!(tone, Tone::Bad));
    }

    #[test]
    fn a_state_that_differs_goes_before_all_else() {
        let mut status = cluster(&[None, Some(1), None]);
        status.nodes[1].state_mismatch = true;
        let (text, tone) = line(&status, &Clock::fixed("2026-01-31T14:28:00Z"));
        assert!(text.starts_with("STATE MISMATCH") && text.contains("(2)"), "{text}");
        assert!(matches!(tone, Tone::Bad));
    }
}
