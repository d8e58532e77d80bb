//! `nexus keys`: API keys of one's own.

mod create;
mod list;
mod revoke;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// List, make and revoke your API keys
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus keys list
  nexus keys create --label ci --readonly --expires 90d
  nexus keys revoke 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf")]
pub(crate) enum Keys {
    List(list::List),
    Create(create::Create),
    Revoke(revoke::Revoke),
}

impl Keys {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
        }
    }
}
