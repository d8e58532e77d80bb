//! `nexus cluster transfer-leader`: hands leadership over.

use super::change::ChangeArgs;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::{
    change_plan::{PlanChange, PlannedChange},
    cluster::TransferLeader as Body,
};
use serde_json::Value;

/// Transfer leadership to another node, such as before a restart
///
/// It takes no longer than an election, and no write is lost. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster transfer-leader
  nexus cluster transfer-leader --to 2")]
pub(crate) struct TransferLeader {
    /// Node that becomes the leader [default: the one with the most log entries]
    #[arg(long, value_name = "ID")]
    to: Option<u64>,
    #[command(flatten)]
    change: ChangeArgs,
}

impl TransferLeader {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let request = || Request::post("/cluster/leader").body(&Body { to: self.to });
        let change = PlannedChange::TransferLeader;
        let planned = PlanChange { change, node: None, by: None, force: None, to: self.to };
        let Some(answer) = self.change.send(context, &planned, request).await? else { return Ok(()) };
        context.out.answer(&answer, |data: Value| match data.get("leader").and_then(Value::as_u64) {
            Some(node) => context.out.line(format_args!("Node {node} leads")),
            None => context.out.line("Leadership was handed over"),
        })?;
        context.out.note("nexus cluster status shows who leads");
        Ok(())
    }
}
