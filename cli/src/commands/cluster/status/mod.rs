//! `nexus cluster status`: the nodes, who leads, and how many losses the cluster can bear.
//!
//! `nodes` has the table of nodes, `health` the line about the whole.

mod health;
mod nodes;

pub(super) use nodes::role;

use crate::{
    answer::Answer,
    client::{Client, Request},
    commands::{check::State, distance, expiry},
    context::Context,
    error::Error,
    output::Tone,
    text::{Clock, format},
};
use clap::Args;
use nexus_api_types::cluster::{ClusterStatus, QuotaUse};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};

/// How long one server may take that is asked instead of a fenced one.
const LONGEST_LOOK: Duration = Duration::from_secs(3);
/// The time between two looks of `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Moves to the upper left corner of a terminal and clears it.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Show the nodes, the leader, and how many nodes the cluster can lose
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster status
  nexus cluster status --wide
  nexus cluster status --watch
  nexus cluster status --server http://10.0.0.2:7401 --json")]
pub(crate) struct Status {
    /// Show versions, addresses, the applied log index and the state hash of each node, too
    #[arg(long)]
    wide: bool,
    /// Show it again every second, until interrupted; with --json, one line each time
    #[arg(long)]
    watch: bool,
}

impl Status {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        if !self.watch {
            return self.show(context).await;
        }
        loop {
            match self.show(context).await {
                Ok(()) => {}
                // A cluster that answers no more is what somebody who watches wants to see.
                Err(error @ Error::Unreachable(_)) => context.out.error(&error),
                Err(error) => return Err(error),
            }
            context.client.deadline().pause(WATCH_INTERVAL).await;
        }
    }

    async fn show(&self, context: &Context<'_>) -> Result<(), Error> {
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
        if self.watch && context.out.is_json() {
            return context.out.json_line(answer.data());
        }
        if self.watch && io::stdout().is_terminal() {
            anstream::print!("{CLEAR}");
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

fn print(context: &Context<'_>, status: &ClusterStatus, is_wide: bool) -> Result<(), Error> {
    let out = context.out;
    out.table(&nodes::table(status, out.clock(), is_wide))?;
    out.line("")?;
    let (health, tone) = health::line(status, out.clock());
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

/// A line for each certificate that ends soon, and for times that do not suit the distance between the nodes.
fn warnings(status: &ClusterStatus, clock: &Clock) -> Vec<String> {
    let soon = expiry::in_use(status).into_iter().filter_map(|used| {
        let state = expiry::state(used.certificate);
        if state == State::Ok {
            return None;
        }
        let sentence = expiry::sentence(used.certificate, clock);
        Some(nodes::tone(state).paint(&format!("The {} {sentence}: {}", used.what, used.fix)))
    });
    let times = distance::checks(status).into_iter().map(|check| {
        let fix = check.fix.map(|fix| format!("; {fix}")).unwrap_or_default();
        nodes::tone(check.status).paint(&format!("Times of Raft: {}{fix}", check.message))
    });
    soon.chain(times).collect()
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A cluster of voters. For each, the time since the leader, the first of them, last heard it.
    pub(super) fn cluster(last_seen: &[Option<u64>]) -> ClusterStatus {
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
        let shown = nodes::table(&status, &clock, false).within(80).stripped();
        assert!(shown[0].contains("CERTS") && shown[2].contains("10 d"), "{shown:?}");
        assert_eq!(warnings(&cluster(&[None]), &clock), [""; 0]);
    }
}
