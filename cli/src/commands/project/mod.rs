//! `nexus project`: codebases, and which of them a repository is.

mod add_member;
pub(super) mod case;
pub(super) mod create;
mod delete;
mod info;
mod link;
mod list;
mod members;
mod remove_member;
mod unlink;
mod update;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Make projects, and link repositories to them
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus project create -n Billing -s billing
  nexus project link billing
  nexus project info")]
pub(crate) enum Project {
    Create(create::Create),
    List(list::List),
    Link(link::Link),
    Unlink(unlink::Unlink),
    Info(info::Info),
    Update(update::Update),
    Members(members::Members),
    AddMember(add_member::AddMember),
    RemoveMember(remove_member::RemoveMember),
    Delete(delete::Delete),
}

impl Project {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Create(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Link(command) => command.run(context).await,
            Self::Unlink(command) => command.run(context),
            Self::Info(command) => command.run(context).await,
            Self::Update(command) => command.run(context).await,
            Self::Members(command) => command.run(context).await,
            Self::AddMember(command) => command.run(context).await,
            Self::RemoveMember(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
        }
    }
}
