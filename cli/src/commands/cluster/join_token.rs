//! `nexus cluster join-token`: makes a token that lets a new node in.

use crate::{args::span, client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::cluster::{CreateJoinToken, JoinToken as Token};
use std::time::Duration;

/// Make a token with which new nodes join
///
/// Whoever has it can read everything that the cluster stores, so keep it short-lived. Only the token itself goes to
/// stdout. Only admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster join-token
  nexus cluster join-token --ttl 15m > token.txt")]
pub(crate) struct JoinToken {
    /// Time for which it is valid, at most 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span::parse)]
    ttl: Duration,
}

impl JoinToken {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        // The server counts in whole seconds, from one.
        let body = CreateJoinToken { ttl_seconds: Some(self.ttl.as_secs().max(1)) };
        let answer = context.client.send(Request::post("/cluster/join-tokens").body(&body)).await?;
        let out = context.out;
        out.answer(&answer, |made: Token| {
            out.line(made.token)?;
            out.note(format_args!(
                "Valid until {}. Next, on the new machine:",
                out.clock().until(made.expires_at)
            ));
            let server = context.client.server();
            let certificates = if server.is_encrypted() { " --certs-dir DIR" } else { "" };
            out.note(format_args!("  nexusd start --join {server} --join-token TOKEN{certificates} …"));
            Ok(())
        })
    }
}
