//! `nexus keys create`: another key of one's own.

use crate::{args::span, client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::engineer::{MintKey, MintedKey};
use std::time::Duration;

/// Make an API key, and print it this once
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus keys create --label laptop
  nexus keys create --label ci --readonly --expires 90d --only-project")]
pub(crate) struct Create {
    /// A note on the purpose of the key
    #[arg(long, short, value_name = "TEXT")]
    label: Option<String>,
    /// Time after which it expires [default: never]
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    expires: Option<Duration>,
    /// Let the key read, and not write
    #[arg(long)]
    readonly: bool,
    /// Let the key work in this project alone
    #[arg(long)]
    only_project: bool,
}

impl Create {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let body = MintKey {
            label: self.label,
            expires_at: self.expires.map(span::from_now).transpose()?,
            project_id: if self.only_project { Some(context.project().await?) } else { None },
            readonly: self.readonly.then_some(true),
        };
        let answer = context.client.send(Request::post("/auth/keys").body(&body)).await?;
        context.out.answer(&answer, |made: MintedKey| context.out.line(made.api_key))?;
        context.out.note("It is shown this once: the cluster keeps only its hash");
        Ok(())
    }
}
