//! `nexus cluster remove`: takes a node out for good.

use super::change::ChangeArgs;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::change_plan::{PlanChange, PlannedChange};
use serde_json::Value;

/// Remove a node from the cluster for good
///
/// Its id is never used again; a machine that comes back joins as a new node. It is refused if it would put the quorum
/// at risk. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster remove 3 --dry-run
  nexus cluster remove 3 --yes")]
pub(crate) struct Remove {
    /// Id of the node
    #[arg(value_name = "ID")]
    node: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Remove {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let request = || Request::delete(format!("/cluster/members/{}", self.node));
        let planned = PlanChange::of(PlannedChange::Remove, self.node);
        let Some(answer) = self.change.send(context, &planned, request).await? else { return Ok(()) };
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("Node {} is out of the cluster", self.node))
        })?;
        context.out.note("Stop it and remove its data; nexus cluster status shows the other nodes");
        Ok(())
    }
}
