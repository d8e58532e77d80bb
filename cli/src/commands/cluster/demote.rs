//! `nexus cluster demote`: takes a voter's vote.

use super::change::ChangeArgs;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::change_plan::{PlanChange, PlannedChange};
use serde_json::Value;

/// Make a voter a replica: a node without a vote that stays one
///
/// It goes on to serve reads and to forward writes, and is lost without any effect on the quorum. nexus cluster promote
/// gives it a vote again. A leader hands over first. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster demote 4 --dry-run
  nexus cluster demote 4 --yes")]
pub(crate) struct Demote {
    /// Id of the node
    #[arg(value_name = "ID")]
    node: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Demote {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let request = || Request::post(format!("/cluster/members/{}/demote", self.node));
        let planned = PlanChange::of(PlannedChange::Demote, self.node);
        let Some(answer) = self.change.send(context, &planned, request).await? else { return Ok(()) };
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("Node {} is a replica without a vote", self.node))
        })?;
        context.out.note(format_args!("nexus cluster promote {} gives it a vote again", self.node));
        Ok(())
    }
}
