//! One file per command: its arguments, its help with examples, and what it does.
//!
//! A command has three steps: put the request together, send it, print the answer.
//! [`people`] turns the ids in answers into names.

mod changes;
mod cluster;
mod completions;
mod feature;
mod login;
mod logout;
mod pages;
mod people;
mod project;
mod session;
mod status;
mod whoami;
mod working;

use crate::{context::Context, error::Error, run::Keeper};
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    #[command(subcommand)]
    Project(project::Project),
    #[command(subcommand)]
    Feature(feature::Feature),
    #[command(subcommand)]
    Session(session::Session),
    Status(status::Status),
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    Completions(completions::Completions),
    #[command(hide = true)]
    Keeper(Keeper),
}

/// Does what was asked for.
pub(crate) async fn run(command: Command, context: &Context<'_>) -> Result<(), Error> {
    match command {
        Command::Login(command) => command.run(context).await,
        Command::Logout(command) => command.run(context),
        Command::Whoami(command) => command.run(context).await,
        Command::Project(command) => command.run(context).await,
        Command::Feature(command) => command.run(context).await,
        Command::Session(command) => command.run(context).await,
        Command::Status(command) => command.run(context).await,
        Command::Cluster(command) => command.run(context).await,
        Command::Completions(command) => command.run(context),
        Command::Keeper(command) => command.run(context).await,
    }
}
