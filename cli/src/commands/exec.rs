//! `nexus exec`: runs a command that cannot write what other sessions hold.

use crate::{
    args::Global,
    context::Context,
    error::Error,
    exec::{self, ExecRequest},
    output::Output,
};
use clap::Args;
use std::{ffi::OsString, process::ExitCode};

/// Run a command, or an agent, that cannot write files which other sessions hold
///
/// Whatever the command is, and whatever it starts: those files are read-only to it and cannot be replaced. What others
/// take or give back while it runs is followed within a second. Its number, the signals that it is sent, its exit code
/// and its terminal are as without; it may mount nothing but in a user namespace that it makes. Where the system lets
/// no one do that, or no server answers, it says so and runs the command all the same; with --require it does not.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus exec -- claude
  nexus exec -- sh -c 'make && git stash pop'
  nexus exec --require --no-namespaces -- ./build
  nexus exec --explain

Exit codes: those of the command; 127 if there is none of that name, 126 if it cannot be
run, 1 and 3 if it was not run")]
pub(crate) struct Exec {
    /// Do not run the command where anything held that exists cannot be protected
    #[arg(long)]
    require: bool,
    /// Do not let the command make user namespaces, in which it could write what others take later; sandboxes and
    /// containers need them
    #[arg(long)]
    no_namespaces: bool,
    /// Show what would be protected and what cannot be, and run nothing
    #[arg(long, conflicts_with = "command")]
    explain: bool,
    /// The command and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND",
        required_unless_present = "explain"
    )]
    command: Vec<OsString>,
}

impl Exec {
    /// Whether there is a command to run.
    pub(crate) const fn runs_something(&self) -> bool {
        !self.explain
    }

    /// Becomes the command; what is given is why not.
    pub(crate) fn start(self, global: &Global, out: &Output) -> ExitCode {
        exec::run(self.request(), global, out)
    }

    fn request(self) -> ExecRequest {
        ExecRequest { command: self.command, require: self.require, no_namespaces: self.no_namespaces }
    }

    pub(super) async fn explain(self, context: &Context<'_>) -> Result<(), Error> {
        exec::explain(context).await
    }
}
