//! `nexus roadmap`: what comes when. Without a verb it shows the lanes.

mod r#move;
mod reorder;
mod shift;
mod show;

use crate::{args::values::Lane, context::Context, error::Error};
use clap::{Args, Subcommand};

/// Show the roadmap and put it in order
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  nexus roadmap
  nexus roadmap move billing-api --before invoices
  nexus roadmap promote billing-api
  nexus roadmap reorder now billing-api invoices"
)]
pub(crate) struct Roadmap {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    show: show::Show,
}

#[derive(Subcommand)]
enum Verb {
    Show(show::Show),
    Move(r#move::Move),
    /// Move a feature one lane up: icebox, later, next, now
    #[command(after_help = "\
Examples:
  nexus roadmap promote billing-api")]
    Promote(shift::Shift),
    /// Move a feature one lane down: now, next, later, icebox
    #[command(after_help = "\
Examples:
  nexus roadmap defer billing-api")]
    Defer(shift::Shift),
    Reorder(reorder::Reorder),
}

impl Roadmap {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self.verb {
            None => self.show.run(context).await,
            Some(Verb::Show(command)) => command.run(context).await,
            Some(Verb::Move(command)) => command.run(context).await,
            Some(Verb::Promote(command)) => command.run(context, Lane::sooner).await,
            Some(Verb::Defer(command)) => command.run(context, Lane::later).await,
            Some(Verb::Reorder(command)) => command.run(context).await,
        }
    }
}
