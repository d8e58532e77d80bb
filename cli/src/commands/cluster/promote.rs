//! `nexus cluster promote`: gives a learner a vote.

use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;

/// Give a learner a vote
///
/// A node that joins becomes a voter by itself once it has caught up. This command is for a node that stayed a learner.
/// Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster promote 4")]
pub(crate) struct Promote {
    /// Id of the node
    #[arg(value_name = "ID")]
    node: u64,
}

impl Promote {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer =
            context.client.send(Request::post(format!("/cluster/members/{}/promote", self.node))).await?;
        context
            .out
            .answer(&answer, |_: Value| context.out.line(format_args!("Node {} is a voter", self.node)))?;
        context.out.note("nexus cluster status shows the nodes");
        Ok(())
    }
}
