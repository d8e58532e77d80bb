//! `nexus keys revoke`: ends a key at once, on every node.

use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

/// Revoke one of your API keys, which stops working at once
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus keys revoke 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf")]
pub(crate) struct Revoke {
    /// Id of the key, as nexus keys list shows it
    #[arg(value_name = "ID", value_parser = values::id)]
    id: Uuid,
}

impl Revoke {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::delete(format!("/auth/keys/{}", self.id))).await?;
        context.out.answer(&answer, |_: Value| context.out.line(format_args!("Revoked key {}", self.id)))
    }
}
