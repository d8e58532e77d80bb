//! `nexus roadmap`: what comes when.

mod reorder;
mod show;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Show the roadmap and put it in order
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus roadmap show
  nexus roadmap reorder now billing-api invoices")]
pub(crate) enum Roadmap {
    Show(show::Show),
    Reorder(reorder::Reorder),
}

impl Roadmap {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Show(command) => command.run(context).await,
            Self::Reorder(command) => command.run(context).await,
        }
    }
}
