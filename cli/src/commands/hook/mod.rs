//! `nexus hook`: the command that agent hosts and git run as a hook. It answers in the caller's own form.
//!
//! A failure in here must not look like a refusal: hosts take exit code 2 for one.
//! - [`agent`]: reads an event of an agent host, and answers it. [`deadline`]: answers before the host gives up, with
//!   the [`progress`] of the check so far.
//! - [`evaluate`]: the verdict on an event. [`affected_files`]: the files that it is about. [`tool`]: the checks before
//!   and after a tool writes them. [`unrooted`]: files in a folder that is not known. [`news`]: what happened since the
//!   last event. [`unreachable`]: the verdict when no server answers.
//! - [`git`]: the checks before a commit and before a push.

mod affected_files;
mod agent;
mod deadline;
mod evaluate;
mod git;
mod news;
mod progress;
#[cfg(all(test, unix))]
mod shell_writes;
mod tool;
mod unreachable;
mod unrooted;

use crate::{args::Global, error::Error, hosts::HOSTS, output::Output};
use clap::Args;
use std::{process::ExitCode, time::Duration};

/// Answer a hook of an agent host or of git
///
/// It reads the host's JSON on stdin, and answers in the form that the host expects. nexus install sets it up. If no
/// server answers, NEXUS_HOOK_POLICY decides, or "hooks": {"whenUnreachable": …} in .nexus.json or
/// ~/.nexus/config.json: fail-open (default; a journal is checked later) or fail-closed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus hook claude pre-tool-use < event.json
  nexus hook codex session-start < event.json
  nexus hook git pre-commit

Exit codes: 0 allowed, 2 refused (git: 1),
1 the hook itself failed, which stops nothing")]
pub(crate) struct Hook {
    #[arg(help = callers())]
    host: String,
    /// The host's name of the event, such as pre-tool-use
    event: String,
    /// Further arguments that the host passes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "MORE")]
    more: Vec<String>,
}

/// The longest time for requests of one event: an agent waits for its host, and the host for the hook.
const LONGEST: Duration = Duration::from_secs(3);

impl Hook {
    /// Answers the event. Most events need no server.
    pub(crate) fn start(self, mut global: Global, out: &Output) -> ExitCode {
        global.timeout = global.timeout.min(LONGEST);
        if self.host == "git" {
            return git::start(&self.event, &self.more, global, out);
        }
        let Some(host) = HOSTS.iter().find(|host| host.name == self.host) else {
            out.error(&unknown(&self.host));
            return ExitCode::FAILURE;
        };
        agent::start(host, &self.event, global)
    }
}

fn unknown(host: &str) -> Error {
    Error::misused(format!("{host} is no host that calls hooks")).hint(callers())
}

/// The names of all that call hooks: `claude, codex or git`.
fn callers() -> String {
    let hosts: Vec<&str> = HOSTS.iter().map(|host| host.name).collect();
    format!("{} or git", hosts.join(", "))
}
