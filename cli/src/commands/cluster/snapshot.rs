//! `nexus cluster snapshot`: has a node make a snapshot now.

use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;

/// Take a snapshot on the node that answers
///
/// Nodes make snapshots by themselves; one more lets the node drop the older part of its log. Only admins may do this.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster snapshot
  nexus cluster snapshot --server http://127.0.0.1:7402")]
pub(crate) struct Snapshot {}

impl Snapshot {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::post("/cluster/snapshot")).await?;
        context.out.answer(&answer, |_: Value| context.out.line("A snapshot was asked for"))?;
        context.out.note("nexus cluster status shows the nodes");
        Ok(())
    }
}
