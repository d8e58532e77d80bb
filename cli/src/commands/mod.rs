//! One file per command: its arguments, its help with examples, and what it does.
//!
//! A command has three steps: put the request together, send it, print the answer.
//! [`names`] turns the ids in answers into names, and [`sessions`] into places. [`target`] is what `install` and
//! `doctor` look at. [`expiry`] is when certificates end.

mod changes;
mod check;
mod checkpoints;
mod claim;
mod claims;
mod cluster;
mod completions;
mod decision;
mod distance;
mod doctor;
mod events;
mod exec;
mod expiry;
mod feature;
mod force_release;
#[cfg(test)]
mod help;
mod hook;
mod install;
mod keys;
mod knowledge;
mod learn;
mod login;
mod logout;
mod man;
mod mcp;
mod misspelt;
mod names;
mod next;
mod pages;
mod paths;
mod people;
mod project;
mod receipt;
mod resume;
mod roadmap;
mod save;
mod scheduled;
mod search;
mod session;
mod sessions;
mod setup;
mod status;
mod target;
mod unclaim;
mod verify;
mod whoami;
mod why;
mod wiring;
mod working;

use crate::{
    args::Global, context::Context, error::Error, exec::Companion, guard::journal, session::KeepAlive,
};
use clap::{CommandFactory, Parser, Subcommand};

/// Share one codebase among many agents without collisions
///
/// Nexus keeps track of who works on which feature, and which files they hold. A feature is picked with all of its
/// files or not at all, so two agents never work on the same file.
#[derive(Parser)]
#[command(
    name = "nexus",
    version = env!("NEXUS_VERSION"),
    arg_required_else_help = true,
    after_help = "\
Examples:
  nexus login --register -n Ana -e ana@example.com
  nexus project link billing
  nexus feature available
  nexus feature pick --next
  nexus feature done billing-api

Exit codes: 0 done, 1 refused, 2 misused, 3 no server could do it"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order in which help lists them.
#[derive(Subcommand)]
pub(crate) enum Command {
    Setup(setup::Setup),
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    #[command(subcommand)]
    Project(project::Project),
    #[command(subcommand)]
    Feature(feature::Feature),
    Next(next::Next),
    Claim(claim::Claim),
    Unclaim(unclaim::Unclaim),
    Claims(claims::Claims),
    ForceRelease(force_release::ForceRelease),
    Why(why::Why),
    Learn(learn::Learn),
    Decision(decision::Decision),
    Search(search::Search),
    Save(save::Save),
    Resume(resume::Resume),
    Checkpoints(checkpoints::Checkpoints),
    #[command(aliases = ["rm", "roadmap-ops"])]
    Roadmap(roadmap::Roadmap),
    #[command(subcommand)]
    Session(session::Session),
    Status(status::Status),
    Watch(events::Watch),
    Exec(exec::Exec),
    Hook(hook::Hook),
    Verify(verify::Verify),
    Receipt(receipt::PrintReceipt),
    Install(install::Install),
    Mcp(mcp::Mcp),
    Uninstall(install::Uninstall),
    Events(events::Events),
    #[command(subcommand)]
    People(people::People),
    #[command(subcommand)]
    Keys(keys::Keys),
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(name = "keeper", hide = true)]
    KeepAlive(KeepAlive),
    #[command(hide = true)]
    ExecCompanion(Companion),
}

/// Does what was asked for.
pub(crate) async fn run(command: Command, context: &Context<'_>) -> Result<(), Error> {
    let asks_about_files = matches!(
        command,
        Command::Feature(_)
            | Command::Next(_)
            | Command::Claim(_)
            | Command::Claims(_)
            | Command::Why(_)
            | Command::Status(_)
            | Command::Verify(_)
    );
    let done = match act(command, context).await {
        Ok(()) => Ok(()),
        Err(error) => Err(misspelt::with_nearest(error, context).await),
    };
    if asks_about_files && done.is_ok() {
        journal::settle_up(context).await;
    }
    done
}

async fn act(command: Command, context: &Context<'_>) -> Result<(), Error> {
    match command {
        Command::Setup(command) => command.run(context).await,
        Command::Login(command) => command.run(context).await,
        Command::Logout(command) => command.run(context),
        Command::Whoami(command) => command.run(context).await,
        Command::Project(command) => command.run(context).await,
        Command::Feature(command) => command.run(context).await,
        Command::Next(command) => command.run(context).await,
        Command::Claim(command) => command.run(context).await,
        Command::Unclaim(command) => command.run(context).await,
        Command::Claims(command) => command.run(context).await,
        Command::ForceRelease(command) => command.run(context).await,
        Command::Why(command) => command.run(context).await,
        Command::Learn(command) => command.run(context).await,
        Command::Decision(command) => command.run(context).await,
        Command::Search(command) => command.run(context).await,
        Command::Save(command) => command.run(context).await,
        Command::Resume(command) => command.run(context).await,
        Command::Checkpoints(command) => command.run(context).await,
        Command::Roadmap(command) => command.run(context).await,
        Command::Session(command) => command.run(context).await,
        Command::Status(command) => command.run(context).await,
        Command::Watch(command) => command.run(context).await,
        Command::Events(command) => command.run(context).await,
        Command::People(command) => command.run(context).await,
        Command::Keys(command) => command.run(context).await,
        Command::Cluster(command) => command.run(context).await,
        Command::Doctor(command) => command.run(context).await,
        Command::Completions(command) => command.run(context, &mut Cli::command()),
        Command::Man(command) => command.run(context, Cli::command()),
        Command::KeepAlive(command) => command.run(context).await,
        Command::Verify(command) => command.run(context).await,
        Command::Receipt(command) => command.run(context).await,
        Command::Install(command) => command.run(context),
        Command::Mcp(command) => command.run(context).await,
        Command::Uninstall(command) => command.run(context),
        Command::Exec(command) => command.explain(context).await,
        // Answered before there is a context.
        Command::Hook(_) | Command::ExecCompanion(_) => Ok(()),
    }
}
