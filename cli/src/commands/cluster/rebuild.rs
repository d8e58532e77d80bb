//! `nexus cluster rebuild`: gives a fenced node the state of the others.

use super::change::ChangeArgs;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::{
    change_plan::{PlanChange, PlannedChange},
    cluster::{Operated, Rebuild as Body},
};

/// Rebuild a node from the others
///
/// For a node that has fenced itself because its state is wrong. It keeps its data in another folder, comes back under
/// a new id with the state of the others, and votes again. It is refused if no quorum would be left without it. Only
/// admins may do it. If its process does not run, nexusd rebuild on its machine does the same.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster rebuild 2
  nexus cluster rebuild 2 --dry-run
  nexus cluster rebuild 2 --force --yes")]
pub(crate) struct Rebuild {
    /// Id of the node
    #[arg(value_name = "ID")]
    node: u64,
    /// Rebuild it although it is not fenced
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Rebuild {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let Self { node, force, change } = self;
        let body = Body { force: force.then_some(true) };
        let request = || Request::post(format!("/cluster/members/{node}/rebuild")).body(&body);
        let planned = PlanChange { force: body.force, ..PlanChange::of(PlannedChange::Rebuild, node) };
        let Some(answer) = change.send(context, &planned, request).await? else { return Ok(()) };
        context.out.answer(&answer, |done: Operated| {
            context.out.line(format_args!("Node {node} is being rebuilt under a new id"))?;
            match &done.kept_in {
                Some(folder) => context.out.line(format_args!("Its former data is kept in {folder}")),
                None => Ok(()),
            }
        })?;
        context.out.note("nexus cluster status shows when the new node votes");
        Ok(())
    }
}
