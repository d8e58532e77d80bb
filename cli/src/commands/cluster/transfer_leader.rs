//! `nexus cluster transfer-leader`: hands leadership over.

use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::cluster::TransferLeader as Body;
use serde_json::Value;

/// Hand leadership over, before a restart for instance
///
/// Takes no longer than an election and loses no write. For admins.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster transfer-leader
  nexus cluster transfer-leader --to 2")]
pub(crate) struct TransferLeader {
    /// Node to hand over to; the one that has most of the log by default
    #[arg(long, value_name = "ID")]
    to: Option<u64>,
}

impl TransferLeader {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer =
            context.client.send(Request::post("/cluster/leader").body(&Body { to: self.to })).await?;
        context.out.answer(&answer, |data: Value| match data.get("leader").and_then(Value::as_u64) {
            Some(node) => context.out.line(format_args!("Node {node} leads")),
            None => context.out.line("Leadership was handed over"),
        })?;
        context.out.note("nexus cluster status shows who leads");
        Ok(())
    }
}
