//! `nexus roadmap-ops`: moves one feature on the roadmap.

mod r#move;
mod shift;

use crate::{args::values::Lane, context::Context, error::Error};
use clap::Subcommand;

/// Move one feature on the roadmap
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus roadmap-ops move billing-api --before invoices
  nexus roadmap-ops promote billing-api
  nexus roadmap-ops defer reports")]
pub(crate) enum RoadmapOps {
    Move(r#move::Move),
    /// Move a feature one lane up: icebox, later, next, now
    #[command(after_help = "\
Examples:
  nexus roadmap-ops promote billing-api")]
    Promote(shift::Shift),
    /// Move a feature one lane down: now, next, later, icebox
    #[command(after_help = "\
Examples:
  nexus roadmap-ops defer billing-api")]
    Defer(shift::Shift),
}

impl RoadmapOps {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Move(command) => command.run(context).await,
            Self::Promote(command) => command.run(context, Lane::sooner).await,
            Self::Defer(command) => command.run(context, Lane::later).await,
        }
    }
}
