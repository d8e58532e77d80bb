//! `nexus cluster promote`: gives a learner a vote.

use super::change::ChangeArgs;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::change_plan::{PlanChange, PlannedChange};
use serde_json::Value;

/// Give a learner a vote
///
/// A node that joins becomes a voter by itself once it has caught up, unless it is a replica. This command ends a
/// replica, or helps a node that stayed a learner. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster promote 4
  nexus cluster promote 4 --dry-run")]
pub(crate) struct Promote {
    /// Id of the node
    #[arg(value_name = "ID")]
    node: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Promote {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let request = || Request::post(format!("/cluster/members/{}/promote", self.node));
        let planned = PlanChange::of(PlannedChange::Promote, self.node);
        let Some(answer) = self.change.send(context, &planned, request).await? else { return Ok(()) };
        context
            .out
            .answer(&answer, |_: Value| context.out.line(format_args!("Node {} is a voter", self.node)))?;
        context.out.note("nexus cluster status shows the nodes");
        Ok(())
    }
}
