//! `nexus`: the command line of a Nexus cluster. It uses only the public API of the nodes, and never decides what the
//! cluster should decide.
//!
//! In reading order, each module above those that it uses:
//! - [`commands`]: the commands, one file each.
//! - [`exec`]: runs a command that cannot write what others hold. [`guard`]: whether a file may be written.
//! - [`saved_work`]: what was saved of the work on a feature.
//! - [`session`]: the session that a run acts as, and what keeps it alive. [`context`]: what a command needs: its
//!   output, the servers, who acts and in which project. [`agent_run`]: one run of one agent.
//! - [`hosts`]: the agent hosts: reads their events, answers them, and plans their settings. [`install`]: puts entries
//!   into settings of others.
//! - [`spec`]: features as files. [`repository`]: the repository around the current folder. [`config`]: the files on
//!   disk. [`git`]: calls of git. [`confined`]: opens files of a repository without following links out of it.
//! - [`client`]: requests to a cluster of several servers. [`args`]: the arguments that all commands share.
//! - [`output`]: data to stdout, the rest to stderr. [`answer`]: what the cluster answered. [`error`]: what went wrong,
//!   and what to do next. [`profile`]: the identity on this machine. [`server`]: addresses of servers. [`text`]: texts
//!   for people.
//! - `fuzzing`: the fuzz targets of what hosts, shells, git and files give.

mod agent_run;
mod answer;
mod args;
mod client;
mod commands;
mod config;
mod confined;
mod context;
mod error;
mod exec;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod git;
mod guard;
mod hosts;
mod install;
mod output;
mod profile;
mod repository;
mod saved_work;
mod server;
mod session;
mod spec;
mod text;

use crate::{
    commands::{Cli, Command},
    context::Context,
    error::Error,
};
use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ContextValue},
};
use std::process::ExitCode;

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    // It fails only if it is installed already, and this binary has only this provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&with_plain_usage(error)),
    };
    let out = output::Output::new(cli.global.json, cli.global.no_color);
    match (profile::Profile::choose(&cli.global.profile), &cli.command) {
        // A host takes a misuse for a refusal: a hook goes by its policy when it cannot read the settings.
        (Ok(()), _) | (Err(_), Command::Hook(_)) => {}
        (Err(problem), _) => {
            let error = Error::misused(problem);
            out.error(&error);
            return ExitCode::from(error.exit_code());
        }
    }
    match cli.command {
        Command::Hook(hook) => return hook.start(cli.global, &out),
        // Namespaces are made by a process of one thread, before there is a runtime.
        Command::Exec(exec) if exec.runs_something() => return exec.start(&cli.global, &out),
        Command::ExecCompanion(companion) => return companion.start(cli.global),
        _ => {}
    }
    match start(cli, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// The same error with the usage line of the command's help. Clap's own one lists what was given so far, and that
/// includes the servers of the environment.
fn with_plain_usage(mut error: clap::Error) -> clap::Error {
    if error.get(ContextKind::Usage).is_some() {
        let mut command = Cli::command();
        command.build();
        let mut deepest = &mut command;
        for word in std::env::args_os().skip(1) {
            if deepest.find_subcommand(&word).is_some() {
                deepest = deepest.find_subcommand_mut(&word).expect("it was found just now");
            }
        }
        error.insert(ContextKind::Usage, ContextValue::StyledStr(deepest.render_usage()));
    }
    error
}

/// Reports arguments that cannot be parsed, or prints help. Help is for people, even with `--json`.
fn misused(error: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|word| word == "--json");
    if !is_json || !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let (message, more) = text.split_once('\n').unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message).to_owned();
    let error = Error::misused(message).hint(more.split_whitespace().collect::<Vec<_>>().join(" "));
    output::Output::new(true, false).error(&error);
    ExitCode::from(error.exit_code())
}

fn start(cli: Cli, out: &output::Output) -> Result<(), Error> {
    let runtime = context::runtime()?;
    let global = match &cli.command {
        Command::Login(login) => login.complete(cli.global),
        _ => cli.global,
    };
    let context = Context::new(global, out)?;
    let ended = runtime.block_on(commands::run(cli.command, &context));
    drop(context);
    // A name server that does not answer holds a thread for longer than the command has time.
    runtime.shutdown_background();
    ended
}
