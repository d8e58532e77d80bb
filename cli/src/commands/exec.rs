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

/// Run a command, or an agent, that cannot write files held by other sessions
///
/// Those files are read-only to the command and to everything that it starts, and cannot be replaced. Claims that
/// others take or release while it runs take effect within a second. The process id, signals, exit code and terminal
/// are those of the command itself, but it can mount file systems only in a user namespace that it makes. If the system
/// does not allow this, or no server answers, nexus exec says so and runs the command without protection; with
/// --require, it does not run it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus exec -- claude
  nexus exec -- sh -c 'make && git stash pop'
  nexus exec --require --no-namespaces -- ./build
  nexus exec --explain

Exit codes: those of the command; 127 if there is no such command, 126 if it cannot
be run, 1 or 3 if nexus exec did not run it")]
pub(crate) struct Exec {
    /// Do not run the command if a held file that exists cannot be protected
    #[arg(long)]
    require: bool,
    /// Do not let the command make user namespaces, in which it could write files that others take later; sandboxes and
    /// containers need them
    #[arg(long)]
    no_namespaces: bool,
    /// Show which files would be protected and which cannot be, and run nothing
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
