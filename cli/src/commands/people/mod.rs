//! `nexus people`: the engineers of the cluster, and their rights.
//!
//! [`reference`] is how a person is named on the command line.

mod invite;
mod list;
pub(super) mod reference;
pub(super) mod remove;
mod reset_key;
mod role;
mod show;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// See who is there, let people in, and give them rights and keys
///
/// A person is named by e-mail address, by id, or by a name that only one of those has whom you may see.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus people list
  nexus people invite -n Ben -e ben@example.com
  nexus people reset-key ben@example.com
  nexus people role Ben readonly")]
pub(crate) enum People {
    List(list::List),
    Show(show::Show),
    Invite(invite::Invite),
    Role(role::Change),
    ResetKey(reset_key::ResetKey),
    Remove(remove::Remove),
}

impl People {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Invite(command) => command.run(context).await,
            Self::Role(command) => command.run(context).await,
            Self::ResetKey(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
        }
    }
}
