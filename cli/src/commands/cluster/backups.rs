//! `nexus cluster backups`: how the scheduled backups of each node are doing.

use crate::{
    answer::Answer,
    client::Request,
    commands::scheduled,
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::{Clock, format, span},
};
use clap::Args;
use nexus_api_types::cluster::{ClusterStatus, ScheduledBackups};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Show the scheduled backups: where they go, the newest one, and failures
///
/// Nodes that were started with --backup-to take backups on a schedule, each of which is taken by one of them. nexusd
/// backups URL lists what is in the folder or the store.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster backups
  nexus cluster backups --json | jq -r '.[].lastAt'")]
pub(crate) struct Backups {}

#[derive(Serialize, Deserialize)]
struct OfNode {
    node: u64,
    #[serde(flatten)]
    backups: ScheduledBackups,
}

impl Backups {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::get("/cluster/status")).await?;
        let status = answer.parse::<ClusterStatus>()?;
        let found: Vec<OfNode> =
            scheduled::of(&status).map(|(node, backups)| OfNode { node, backups: backups.clone() }).collect();
        let out = context.out;
        out.answer(&Answer::new(json!(found)), |found: Vec<OfNode>| {
            if found.is_empty() {
                out.line("No node takes backups on a schedule")?;
                out.note("nexusd start --backup-to says where they go; nexus cluster backup takes one now");
                return Ok(());
            }
            out.table(&table(&found, &status, out.clock()))?;
            for OfNode { node, backups } in &found {
                if let Some(why) = &backups.last_failure {
                    out.line("")?;
                    out.line(Tone::Bad.paint(&format!("The last attempt of node {node} failed: {why}")))?;
                }
            }
            Ok(())
        })
    }
}

fn table(found: &[OfNode], status: &ClusterStatus, clock: &Clock) -> Table {
    let mut table = Table::new(&["NODE", "NEWEST", "SIZE", "EVERY", "TAKEN", "FAILED", "TO", ""]);
    for OfNode { node, backups } in found {
        let plain = |text: String| (text, Tone::Plain);
        let tone = if scheduled::is_old(backups, status.timestamp) { Tone::Bad } else { Tone::Good };
        let newest = backups.last_at.map_or_else(|| "none".to_owned(), |at| clock.ago(at));
        let every = i64::try_from(backups.every_seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
        let failed = if backups.failures > 0 { Tone::Warn } else { Tone::Plain };
        table.row([
            plain(node.to_string()),
            (newest, tone),
            plain(backups.last_bytes.map_or_else(|| "-".to_owned(), format::bytes)),
            plain(span(every)),
            plain(backups.taken.to_string()),
            (backups.failures.to_string(), failed),
            plain(backups.to.clone()),
            ((if backups.running { "takes one" } else { "" }).to_owned(), Tone::Faint),
        ]);
    }
    table
}
