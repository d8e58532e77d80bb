//! `nexus session`: runs of agents, each with features and files of its own.

mod end;
mod start;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Start and end sessions of agents
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus session start --agent build
  nexus session end 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf")]
pub(crate) enum Session {
    Start(start::Start),
    End(end::End),
}

impl Session {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Start(command) => command.run(context).await,
            Self::End(command) => command.run(context).await,
        }
    }
}
