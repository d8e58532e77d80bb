//! `nexus cluster drain`: prepares a node for a restart, so that it cuts nothing off.

use super::change::ChangeArgs;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::change_plan::{PlanChange, PlannedChange};
use serde_json::Value;

/// Drain a node before a restart, so that nothing is cut off
///
/// Leadership moves to another node and does not return, /health/ready answers not_ready, and WebSockets are closed
/// within two seconds. The node goes on to serve what it is asked, and to vote. Its restart ends the drain, and so does
/// --undo. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster drain 2
  nexus cluster drain 2 --undo")]
pub(crate) struct Drain {
    /// Id of the node
    #[arg(value_name = "ID")]
    node: u64,
    /// Let the node lead and be ready again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Drain {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let path = format!("/cluster/members/{}/drain", self.node);
        let request = || if self.undo { Request::delete(&path) } else { Request::post(&path) };
        let change = if self.undo { PlannedChange::Undrain } else { PlannedChange::Drain };
        let planned = PlanChange::of(change, self.node);
        let Some(answer) = self.change.send(context, &planned, request).await? else { return Ok(()) };
        let (node, out) = (self.node, context.out);
        out.answer(&answer, |data: Value| match data.get("leader").and_then(Value::as_u64) {
            _ if self.undo => out.line(format_args!("Node {node} is ready again")),
            Some(leader) => out.line(format_args!("Node {node} is drained; node {leader} leads")),
            None => out.line(format_args!("Node {node} is drained")),
        })?;
        if !self.undo {
            out.note(format_args!("Restart it, which ends the drain; or: nexus cluster drain {node} --undo"));
        }
        Ok(())
    }
}
