//! `nexus cluster status`: the nodes, who leads, and how many losses the cluster can bear.

use crate::{
    answer::Answer,
    client::{Client, Request},
    commands::{check::State, expiry},
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::{Clock, format, span},
};
use clap::Args;
use nexus_api_types::cluster::{ClusterStatus, Node, NodeRole, QuotaUse};
use std::time::Duration;

/// Show the nodes, the leader, and how many nodes the cluster can lose
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster status
  nexus cluster status --wide
  nexus cluster status --server http://10.0.0.2:7401 --json")]
pub(crate) struct Status {
    /// Show the peers' addresses, the applied log index and the first end of a certificate of each node, too
    #[arg(long)]
    wide: bool,
}

/// How long one server may take that is asked instead of a fenced one.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// A node that the leader did not hear of for this long counts as silent: it answers several times a second when all is
/// well.
const SILENT_MS: u64 = 2_000;

impl Status {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let mut answer = context.client.send(Request::get("/cluster/status")).await?;
        // A fenced node shows only itself. The others show it, too.
        if answer.parse::<ClusterStatus>().is_ok_and(|status| status.fenced.is_some())
            && let Some(other) = ask_others(context).await
        {
            answer = other;
        }
        if let Ok(status) = answer.parse::<ClusterStatus>() {
            context.client.learn_members(&status);
        }
        context.out.answer(&answer, |status: ClusterStatus| print(context, &status, self.wide))
    }
}

/// The answer of the first server that is not fenced.
async fn ask_others(context: &Context<'_>) -> Option<Answer> {
    let token = context.given_token.clone().or_else(|| context.login.token.clone());
    let deadline = context.client.deadline();
    for server in &context.servers {
        let client = Client::new(std::slice::from_ref(server), token.clone(), deadline.part(LONGEST_LOOK));
        let client = client.trusting(context.trust.clone());
        if let Ok(answer) = client.send(Request::get("/cluster/status")).await
            && answer.parse::<ClusterStatus>().is_ok_and(|status| status.fenced.is_none())
        {
            return Some(answer);
        }
    }
    None
}

/// The nodes, one each row. The most important columns come first.
fn table(status: &ClusterStatus, clock: &Clock, is_wide: bool) -> Table {
    let mut head = vec!["NODE", "ROLE", "LAST SEEN", "LAG", "STATE", "DISK FREE", "CLIENTS"];
    if is_wide {
        head.extend(["PEERS", "APPLIED", "STATE HASH", "CERTIFICATES"]);
    }
    head.push("");
    let mut table = Table::new(&head);
    let is_alone = status.nodes.len() == 1;
    for node in &status.nodes {
        let (seen, tone) = last_seen(node);
        let mut row = vec![
            (node.id.to_string(), Tone::Plain),
            role(node.role),
            (seen, tone),
            (node.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string()), Tone::Plain),
            state(node, is_alone),
            disk(node),
            (node.client_addr.clone(), Tone::Plain),
        ];
        if is_wide {
            row.extend([
                (node.peer_addr.clone(), Tone::Faint),
                (applied(node), Tone::Plain),
                (node.state_hash.clone().unwrap_or_else(|| "-".to_owned()), Tone::Faint),
                certificates(node, clock),
            ]);
        }
        row.push((if node.this_node { "answers" } else { "" }.to_owned(), Tone::Faint));
        table.row(row);
    }
    table
}

fn print(context: &Context<'_>, status: &ClusterStatus, is_wide: bool) -> Result<(), Error> {
    let out = context.out;
    let table = table(status, out.clock(), is_wide);
    out.table(&table)?;
    out.line("")?;
    let (health, tone) = health(status);
    out.line(tone.paint(&health))?;
    let id = status.cluster_id.map_or_else(|| "not yet founded".to_owned(), |id| id.to_string());
    let ClusterStatus { term, committed, applied, version, node_id, state_hash, .. } = status;
    out.field("Cluster", id)?;
    out.field("Node", format_args!("{node_id}, version {version}"))?;
    out.field("Log", format_args!("term {term}, committed {committed}, applied {applied}"))?;
    out.field("State hash", state_hash)?;
    for quota in status.quotas.iter().filter(|quota| quota.owner == "cluster") {
        let (name, location) =
            if quota.resource == "memory" { ("Memory", "each node") } else { ("Texts", "each disk") };
        out.field(name, format_args!("{}, on {location}", use_of(quota)))?;
    }
    warnings(status, out.clock()).iter().try_for_each(|line| {
        out.line("")?;
        out.line(line)
    })?;
    match status
        .quotas
        .iter()
        .max_by(|a, b| share(a).total_cmp(&share(b)))
        .filter(|fullest| is_nearly_full(fullest))
    {
        Some(fullest) => {
            let whose = match &fullest.name {
                Some(name) => format!("{} {name}", fullest.owner),
                None => fullest.owner.clone(),
            };
            out.line("")?;
            let text = format!(
                "Nearly full: {whose} uses {} of {}; raise quota.{}.{} or delete what is over",
                use_of(fullest),
                fullest.resource,
                fullest.owner,
                fullest.resource
            );
            out.line(Tone::Warn.paint(&text))
        }
        None => Ok(()),
    }
}

/// A line for each certificate that ends soon.
fn warnings(status: &ClusterStatus, clock: &Clock) -> Vec<String> {
    let soon = expiry::in_use(status).into_iter().filter_map(|used| {
        let state = expiry::state(used.certificate);
        if state == State::Ok {
            return None;
        }
        let sentence = expiry::sentence(used.certificate, clock);
        Some(tone(state).paint(&format!("The {} {sentence}: {}", used.what, used.fix)))
    });
    soon.collect()
}

/// The end of the certificate of a node that ends first.
fn certificates(node: &Node, clock: &Clock) -> (String, Tone) {
    let used = node.certificates.iter().flat_map(|all| [&all.peers, &all.clients]).flatten();
    match used.min_by_key(|certificate| certificate.not_after) {
        Some(first) => {
            let tone = tone(expiry::state(first));
            (expiry::sentence(first, clock), tone)
        }
        None => ("-".to_owned(), Tone::Plain),
    }
}

fn tone(state: State) -> Tone {
    match state {
        State::Ok => Tone::Good,
        State::Warning => Tone::Warn,
        State::Bad => Tone::Bad,
    }
}

/// The share of a quota from which the status mentions it.
const NEARLY_FULL: f64 = 0.8;

fn is_nearly_full(quota: &QuotaUse) -> bool {
    share(quota) >= NEARLY_FULL
}

#[allow(clippy::cast_precision_loss)]
fn share(quota: &QuotaUse) -> f64 {
    quota.used as f64 / quota.quota.max(1) as f64
}

fn use_of(quota: &QuotaUse) -> String {
    let amount = |of: u64| {
        if quota.resource == "projects" { of.to_string() } else { format::bytes(of) }
    };
    format!("{} of {}", amount(quota.used), amount(quota.quota))
}

fn role(role: NodeRole) -> (String, Tone) {
    let (name, tone) = match role {
        NodeRole::Leader => ("leader", Tone::Good),
        NodeRole::Voter => ("voter", Tone::Plain),
        NodeRole::Learner => ("learner", Tone::Faint),
    };
    (name.to_owned(), tone)
}

fn last_seen(node: &Node) -> (String, Tone) {
    match node.last_seen_ms {
        _ if node.role == NodeRole::Leader => ("leads".to_owned(), Tone::Good),
        None => ("unknown".to_owned(), Tone::Warn),
        Some(age) => {
            let tone = if age > SILENT_MS { Tone::Bad } else { Tone::Good };
            (format!("{} ago", span(i64::try_from(age).unwrap_or(i64::MAX))), tone)
        }
    }
}

/// Whether the state of a node equals that of the others after the same entry. The hashes themselves are of different
/// entries most of the time, so they cannot be compared by eye.
fn state(node: &Node, is_alone: bool) -> (String, Tone) {
    if node.fenced.is_some() {
        return ("FENCED".to_owned(), Tone::Bad);
    }
    if node.damage.is_some() {
        return ("DAMAGED".to_owned(), Tone::Bad);
    }
    match (node.state_mismatch, &node.state_hash) {
        (true, _) => ("MISMATCH".to_owned(), Tone::Bad),
        (false, None) => ("unknown".to_owned(), Tone::Warn),
        (false, Some(_)) if is_alone => ("-".to_owned(), Tone::Plain),
        (false, Some(_)) => ("equal".to_owned(), Tone::Good),
    }
}

/// The last entry that a node has applied. Other nodes reported it up to two seconds ago, and may have applied more.
fn applied(node: &Node) -> String {
    match node.applied {
        None => "-".to_owned(),
        Some(applied) if node.this_node => applied.to_string(),
        Some(applied) => format!("at least {applied}"),
    }
}

fn disk(node: &Node) -> (String, Tone) {
    let free = node.disk_free_bytes.map_or_else(|| "-".to_owned(), format::bytes);
    match (node.disk_low, node.disk_slow) {
        (true, _) => (format!("{free}, NEARLY FULL"), Tone::Bad),
        (false, true) => (format!("{free}, SLOW"), Tone::Warn),
        (false, false) => (free, Tone::Plain),
    }
}

/// One line about the whole.
fn health(status: &ClusterStatus) -> (String, Tone) {
    if status.removed {
        let text = "Removed: the cluster goes on without this node; ask another one, and stop this one";
        return (text.to_owned(), Tone::Bad);
    }
    if let Some(fence) = &status.fenced {
        let node = status.node_id;
        let text = format!(
            "FENCED: node {node} serves and votes no more: {}. nexus cluster rebuild {node} --yes gives it the state of \
             the others",
            fence.reason
        );
        return (text, Tone::Bad);
    }
    if !status.healthy || status.leader.is_none() {
        return (
            "No leader: writes and linearizable reads wait for one; is a majority of the voters running?"
                .to_owned(),
            Tone::Bad,
        );
    }
    let voters: Vec<&Node> = status.nodes.iter().filter(|node| node.role != NodeRole::Learner).collect();
    let is_silent =
        |node: &&&Node| node.role != NodeRole::Leader && node.last_seen_ms.is_none_or(|age| age > SILENT_MS);
    let silent: Vec<String> = voters.iter().filter(is_silent).map(|node| node.id.to_string()).collect();
    // Silent nodes count against the number that may be lost.
    let left = usize::try_from(status.tolerates_losses).unwrap_or(usize::MAX).saturating_sub(silent.len());
    let bears = match left {
        0 => "no further loss is borne".to_owned(),
        left => format!(
            "bears the loss of {}",
            format::count(left, "more node").replace("1 more node", "one more node")
        ),
    };
    if let Some((node, fence)) = status.nodes.iter().find_map(|node| Some((node.id, node.fenced.as_ref()?))) {
        let text = format!(
            "FENCED: node {node} serves and votes no more: {}. nexus cluster rebuild {node} --yes gives it the state of \
             the others; until then, {bears}",
            fence.reason
        );
        return (text, Tone::Bad);
    }
    if let Some((node, damage)) = status.nodes.iter().find_map(|node| Some((node.id, node.damage.as_ref()?)))
    {
        let text = format!(
            "DAMAGED: node {node} goes on only because the cluster cannot do without it: {damage}. Add a node, or bring a \
             silent one back; then it fences itself"
        );
        return (text, Tone::Bad);
    }
    let differing: Vec<String> =
        status.nodes.iter().filter(|node| node.state_mismatch).map(|node| node.id.to_string()).collect();
    if !differing.is_empty() {
        let nodes = differing.join(", ");
        return (
            format!(
                "STATE MISMATCH: the same entries made different states ({nodes}). A node that differs from a majority \
                 fences itself; where there is none, nexus cluster rebuild ID --force rebuilds the one that you know to \
                 be wrong"
            ),
            Tone::Bad,
        );
    }
    match (silent.is_empty(), voters.len()) {
        (true, 1) => ("Healthy, but alone: the loss of this node stops everything".to_owned(), Tone::Warn),
        (true, voters) => {
            let nodes = format::count(usize::try_from(status.tolerates_losses).unwrap_or(usize::MAX), "node");
            (format!("Healthy: {voters} voters, bears the loss of {nodes}"), Tone::Good)
        }
        (false, _) => (
            format!(
                "Degraded: silent {} {}; {bears}",
                if silent.len() == 1 { "node" } else { "nodes" },
                silent.join(", ")
            ),
            Tone::Warn,
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api_types::cluster::NodeFence;
    use serde_json::json;

    /// A cluster of voters. For each, the time since the leader, the first of them, last heard it.
    fn cluster(last_seen: &[Option<u64>]) -> ClusterStatus {
        let nodes: Vec<_> = last_seen
            .iter()
            .enumerate()
            .map(|(at, seen)| {
                json!({ "id": at + 1, "role": if at == 0 { "leader" } else { "voter" }, "peerAddr": "p:1", "clientAddr": "c:1",
                    "lag": 0, "lastSeenMs": seen, "thisNode": at == 0 })
            })
            .collect();
        serde_json::from_value(json!({ "clusterId": null, "nodeId": 1, "version": "1", "leader": 1, "term": 1, "committed": 1,
            "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": (last_seen.len() - 1) / 2, "nodes": nodes,
            "timestamp": "2026-01-31T12:00:00Z" }))
        .unwrap()
    }

    fn clock() -> Clock {
        Clock::fixed("2026-01-31T14:28:00Z")
    }

    #[test]
    fn a_certificate_that_ends_soon_is_mentioned_below_the_nodes() {
        let mut status = cluster(&[None, Some(100)]);
        let certificate = |days: i64| {
            json!({ "subject": "CN=node", "issuer": "CN=Nexus CA 5e2f90b1", "serial": "01", "notBefore": 0,
                "notAfter": expiry::now() + days * 86_400 + 60, "names": [] })
        };
        for (at, days) in [400, 10].into_iter().enumerate() {
            let certificates = json!({ "peers": certificate(days), "authorities": [certificate(3_000)] });
            status.nodes[at].certificates = Some(serde_json::from_value(certificates).unwrap());
        }
        let clock = Clock::here();
        let lines = warnings(&status, &clock);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("The certificate of node 2 for peers ends "), "{lines:?}");
        assert!(lines[0].contains("(in 10 d): nexus cluster certs issue --node 2 --renew"), "{lines:?}");
        let wide = table(&status, &clock, true).within(200).stripped();
        assert!(wide[0].contains("CERTIFICATES") && wide[2].contains("(in 10 d)"), "{wide:?}");
        assert_eq!(warnings(&cluster(&[None]), &clock), [""; 0]);
    }

    #[test]
    fn the_health_line_counts_what_may_still_be_lost() {
        assert_eq!(
            health(&cluster(&[None, Some(100), Some(200)])).0,
            "Healthy: 3 voters, bears the loss of 1 node"
        );
        assert_eq!(
            health(&cluster(&[None, Some(100), None])).0,
            "Degraded: silent node 3; no further loss is borne"
        );
        assert_eq!(
            health(&cluster(&[None, Some(9_000), Some(1), Some(1), Some(1)])).0,
            "Degraded: silent node 2; bears the loss of one more node"
        );
        // Four seconds are a lot: a node answers several times a second.
        assert!(health(&cluster(&[None, Some(4_000), Some(1)])).0.starts_with("Degraded: silent node 2"));
        assert_eq!(health(&cluster(&[None])).0, "Healthy, but alone: the loss of this node stops everything");
    }

    #[test]
    fn what_matters_fits_into_eighty_columns_and_the_rest_is_shown_on_request() {
        let mut status = cluster(&[None, Some(100), Some(200)]);
        for node in &mut status.nodes {
            node.client_addr = format!("10.200.100.{}:7401", node.id);
            node.peer_addr = format!("10.200.100.{}:7501", node.id);
            node.disk_free_bytes = Some(250 << 30);
            (node.applied, node.state_hash) = (Some(270 + node.id), Some(format!("{:016x}", node.id)));
        }
        status.nodes[2].state_hash = None;
        let lines = table(&status, &clock(), false).within(80).stripped();
        assert_eq!(
            lines,
            [
                "NODE  ROLE    LAST SEEN   LAG  STATE    DISK FREE  CLIENTS",
                "1     leader  leads       0    equal    250.0 GiB  10.200.100.1:7401  answers",
                "2     voter   100 ms ago  0    equal    250.0 GiB  10.200.100.2:7401",
                "3     voter   200 ms ago  0    unknown  250.0 GiB  10.200.100.3:7401",
            ]
        );
        let wide = table(&status, &clock(), true).within(200).stripped();
        assert!(wide[1].contains("271") && !wide[1].contains("at least"), "{wide:?}");
        assert!(wide[2].contains("at least 272  0000000000000002"), "{wide:?}");
    }

    #[test]
    fn without_a_leader_nothing_is_healthy() {
        let status = ClusterStatus { healthy: false, leader: None, ..cluster(&[None, Some(1), Some(1)]) };
        assert!(health(&status).0.starts_with("No leader"));
    }

    #[test]
    fn a_removed_node_says_that_it_is_out() {
        let status =
            ClusterStatus { removed: true, leader: None, healthy: false, ..cluster(&[None, Some(1)]) };
        assert!(health(&status).0.starts_with("Removed"));
    }

    #[test]
    fn a_fenced_node_is_named_with_its_reason_and_the_remedy() {
        let mut status = cluster(&[None, Some(9_000), Some(1)]);
        let fence = NodeFence { since: status.timestamp, reason: "its disk lies".to_owned() };
        (status.nodes[1].fenced, status.nodes[1].state_mismatch) = (Some(fence), true);
        let (text, tone) = health(&status);
        assert!(text.starts_with("FENCED: node 2") && text.contains("its disk lies"), "{text}");
        assert!(
            text.contains("nexus cluster rebuild 2") && text.ends_with("no further loss is borne"),
            "{text}"
        );
        assert!(matches!(tone, Tone::Bad));
        assert_eq!(state(&status.nodes[1], false).0, "FENCED");
    }

    #[test]
    fn a_state_that_differs_goes_before_all_else() {
        let mut status = cluster(&[None, Some(1), None]);
        status.nodes[1].state_mismatch = true;
        let (text, tone) = health(&status);
        assert!(text.starts_with("STATE MISMATCH") && text.contains("(2)"), "{text}");
        assert!(matches!(tone, Tone::Bad));
    }
}
