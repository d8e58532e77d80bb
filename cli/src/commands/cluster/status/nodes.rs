//! The nodes, one each row. A column that says nothing about any node is left out, so that the rest fits.

use super::health::is_silent;
use crate::{
    commands::{check::State, expiry},
    output::{Table, Tone},
    text::{Clock, format, span},
};
use nexus_api_types::{
    certificate::Certificate,
    cluster::{ClusterStatus, Node, NodeRole},
};

/// Makes the cell of a node in one column.
type Cell = fn(&Node, &Clock) -> (String, Tone);

/// The nodes as a table. `is_wide` adds what fits into no 80 columns.
pub(super) fn table(status: &ClusterStatus, clock: &Clock, is_wide: bool) -> Table {
    let has = |is_so: fn(&Node) -> bool| is_wide || status.nodes.iter().any(is_so);
    let versions = status.nodes.iter().filter_map(|node| node.version.as_deref());
    let is_mixed = versions.clone().any(|version| Some(version) != versions.clone().next());
    let columns: [(&str, Cell, bool); 16] = [
        ("NODE", |node, _| (node.id.to_string(), Tone::Plain), true),
        ("ROLE", |node, _| role(node.role, node.replica), true),
        ("REGION", |node, _| plain(region(node)), has(|node| region(node).is_some())),
        ("VERSION", |node, _| plain(node.version.clone()), is_wide || is_mixed),
        ("LAG", |node, _| plain(node.lag.map(|lag| lag.to_string())), true),
        ("TRIP", |node, _| trip(node), true),
        ("FLUSH", |node, _| plain(node.flush_p99_us.map(micros)), true),
        ("USED", |node, _| plain(node.disk_used_bytes.map(format::bytes)), true),
        ("FREE", |node, _| free(node), true),
        ("CERTS", |node, _| certificate_days(node), has(|node| first_to_end(node).is_some())),
        ("STATE", |node, _| state(node), true),
        ("LAST SEEN", |node, _| last_seen(node), is_wide),
        ("CLIENTS", |node, _| (node.client_addr.clone(), Tone::Plain), is_wide),
        ("PEERS", |node, _| (node.peer_addr.clone(), Tone::Faint), is_wide),
        ("APPLIED", |node, _| plain(applied(node)), is_wide),
        ("STATE HASH", |node, _| plain(node.state_hash.clone()), is_wide),
    ];
    let shown: Vec<(&str, Cell)> = columns
        .into_iter()
        .filter(|(_, _, is_shown)| *is_shown)
        .map(|(head, cell, _)| (head, cell))
        .collect();
    let mut table = Table::new(&shown.iter().map(|(head, _)| *head).collect::<Vec<_>>());
    for node in &status.nodes {
        table.row(shown.iter().map(|(_, cell)| cell(node, clock)));
    }
    table
}

fn plain(text: Option<String>) -> (String, Tone) {
    (text.unwrap_or_else(|| "-".to_owned()), Tone::Plain)
}

/// The role of a node.
pub(crate) fn role(role: NodeRole, is_replica: bool) -> (String, Tone) {
    let (name, tone) = match role {
        NodeRole::Leader => ("leader", Tone::Good),
        NodeRole::Voter => ("voter", Tone::Plain),
        NodeRole::Learner if is_replica => ("replica", Tone::Plain),
        NodeRole::Learner => ("learner", Tone::Faint),
    };
    (name.to_owned(), tone)
}

fn region(node: &Node) -> Option<String> {
    node.place.as_ref().and_then(|place| place.region.clone())
}

/// The time from the node that answers to this one and back.
fn trip(node: &Node) -> (String, Tone) {
    if node.this_node { ("answers".to_owned(), Tone::Faint) } else { plain(node.round_trip_us.map(micros)) }
}

/// `90 µs`, `1.2 ms`, `131 ms`
fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{} ms", micros / 1_000),
    }
}

fn free(node: &Node) -> (String, Tone) {
    let free = node.disk_free_bytes.map_or_else(|| "-".to_owned(), format::bytes);
    match (node.disk_low, node.disk_slow) {
        (true, _) => (format!("{free}, NEARLY FULL"), Tone::Bad),
        (false, true) => (format!("{free}, SLOW"), Tone::Warn),
        (false, false) => (free, Tone::Plain),
    }
}

/// The certificate of a node that ends first.
fn first_to_end(node: &Node) -> Option<&Certificate> {
    let used = node.certificates.iter().flat_map(|all| [&all.peers, &all.clients]).flatten();
    used.min_by_key(|certificate| certificate.not_after)
}

/// The days that the certificates of a node are still valid for.
fn certificate_days(node: &Node) -> (String, Tone) {
    match first_to_end(node) {
        Some(first) => (format!("{} d", expiry::days_left(first)), tone(expiry::state(first))),
        None => plain(None),
    }
}

/// The tone of a check.
pub(super) const fn tone(state: State) -> Tone {
    match state {
        State::Ok => Tone::Good,
        State::Warning => Tone::Warn,
        State::Bad => Tone::Bad,
    }
}

/// Whether a node answers, and whether its state equals that of the others after the same entry. The hashes themselves
/// are of different entries most of the time, so they cannot be compared by eye.
fn state(node: &Node) -> (String, Tone) {
    let (text, tone) = match &node.state_hash {
        _ if node.fenced.is_some() => ("FENCED", Tone::Bad),
        _ if node.damage.is_some() => ("DAMAGED", Tone::Bad),
        _ if node.state_mismatch => ("MISMATCH", Tone::Bad),
        _ if is_silent(node) => ("silent", Tone::Bad),
        _ if node.draining => ("drained", Tone::Warn),
        None => ("unknown", Tone::Warn),
        Some(_) => ("equal", Tone::Good),
    };
    (text.to_owned(), tone)
}

fn last_seen(node: &Node) -> (String, Tone) {
    let tone = if is_silent(node) { Tone::Bad } else { Tone::Good };
    match node.last_seen_ms {
        _ if node.role == NodeRole::Leader => ("leads".to_owned(), Tone::Good),
        None => ("unknown".to_owned(), Tone::Warn),
        Some(age) => (format!("{} ago", span(i64::try_from(age).unwrap_or(i64::MAX))), tone),
    }
}

/// The last entry that a node has applied. Other nodes reported it up to two seconds ago, and may have applied more.
fn applied(node: &Node) -> Option<String> {
    let applied = node.applied?;
    Some(if node.this_node { applied.to_string() } else { format!("at least {applied}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::tests::cluster, *};
    use nexus_api_types::cluster::NodePlace;

    fn clock() -> Clock {
        Clock::fixed("2026-01-31T14:28:00Z")
    }

    /// Three nodes of which the last has not reported for some seconds.
    fn three() -> ClusterStatus {
        let mut status = cluster(&[None, Some(100), Some(200)]);
        for node in &mut status.nodes {
            node.client_addr = format!("10.200.100.{}:7401", node.id);
            node.peer_addr = format!("10.200.100.{}:7501", node.id);
            node.disk_free_bytes = Some(250 << 30);
            node.disk_used_bytes = Some(45 << 20);
            node.flush_p99_us = Some(131);
            node.round_trip_us = (!node.this_node).then_some(1_240 * node.id);
            node.version = Some("0.2.0".to_owned());
            (node.applied, node.state_hash) = (Some(270 + node.id), Some(format!("{:016x}", node.id)));
        }
        status.nodes[2].state_hash = None;
        status
    }

    #[test]
    fn what_matters_fits_into_eighty_columns_and_the_rest_is_shown_on_request() {
        let mut status = three();
        assert_eq!(
            table(&status, &clock(), false).within(80).stripped(),
            [
                "NODE  ROLE    LAG  TRIP     FLUSH   USED      FREE       STATE",
                "1     leader  0    answers  131 µs  45.0 MiB  250.0 GiB  equal",
                "2     voter   0    2.4 ms   131 µs  45.0 MiB  250.0 GiB  equal",
                "3     voter   0    3.7 ms   131 µs  45.0 MiB  250.0 GiB  unknown",
            ]
        );
        let wide = table(&status, &clock(), true).within(200).stripped();
        assert!(wide[1].contains("271") && !wide[1].contains("at least"), "{wide:?}");
        assert!(wide[2].contains("10.200.100.2:7401  10.200.100.2:7501  at least 272"), "{wide:?}");
        for node in &mut status.nodes {
            node.place = Some(NodePlace { region: Some("eu-west".to_owned()), ..NodePlace::default() });
        }
        let lines = table(&status, &clock(), false).within(80).stripped();
        assert_eq!(lines[3], "3     voter   eu-west  0    3.7 ms   131 µs  45.0 MiB  250.0 GiB  unknown");
        // While nodes are upgraded, more is shown than always fits.
        status.nodes[2].version = Some("0.3.0".to_owned());
        let lines = table(&status, &clock(), false).within(90).stripped();
        assert_eq!(
            lines[3],
            "3     voter   eu-west  0.3.0    0    3.7 ms   131 µs  45.0 MiB  250.0 GiB  unknown"
        );
    }

    #[test]
    fn a_node_is_silent_before_it_is_drained_or_equal() {
        let mut status = three();
        status.nodes[1].draining = true;
        assert_eq!(state(&status.nodes[1]).0, "drained");
        status.nodes[1].last_seen_ms = Some(3_000);
        assert_eq!(state(&status.nodes[1]).0, "silent");
        (status.nodes[2].role, status.nodes[2].replica) = (NodeRole::Learner, true);
        assert_eq!(role(status.nodes[2].role, true).0, "replica");
    }

    #[test]
    fn times_are_short() {
        assert_eq!([90, 1_240, 9_999, 131_072].map(micros), ["90 µs", "1.2 ms", "9.9 ms", "131 ms"]);
    }
}
