//! `nexus session`: runs of agents, each with features and files of its own.

mod end;
mod list;
mod rename;
mod start;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// List, name, start and end sessions of agents
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus session list
  nexus session rename build
  nexus session start --agent build
  nexus session end 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf")]
pub(crate) enum Session {
    List(list::List),
    Rename(rename::Rename),
    Start(start::Start),
    End(end::End),
}

impl Session {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Rename(command) => command.run(context).await,
            Self::Start(command) => command.run(context).await,
            Self::End(command) => command.run(context).await,
        }
    }
}
