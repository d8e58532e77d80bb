//! `nexus feature`: pieces of work, from the first line to done.
//!
//! [`step`] is what the verbs that only change a stage have in common.

mod available;
mod cancel;
mod create;
mod delete;
mod done;
mod draft;
mod edit;
mod list;
pub(super) mod pick;
mod ready;
mod release;
mod show;
pub(super) mod step;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Write, pick and finish features
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus feature create -s billing-api -t \"The API\" --touches src/api/ --ready
  nexus feature available
  nexus feature pick billing-api
  nexus feature done billing-api")]
pub(crate) enum Feature {
    Create(create::Create),
    Edit(edit::Edit),
    List(list::List),
    Show(show::Show),
    Ready(ready::Ready),
    Draft(draft::Draft),
    Available(available::Available),
    Pick(pick::Pick),
    Release(release::Release),
    Done(done::Done),
    Cancel(cancel::Cancel),
    Delete(delete::Delete),
}

impl Feature {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Create(command) => command.run(context).await,
            Self::Edit(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Ready(command) => command.run(context).await,
            Self::Draft(command) => command.run(context).await,
            Self::Available(command) => command.run(context).await,
            Self::Pick(command) => command.run(context).await,
            Self::Release(command) => command.run(context).await,
            Self::Done(command) => command.run(context).await,
            Self::Cancel(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
        }
    }
}
