//! The process that `nexus exec` starts beside a command: it asks the cluster, and follows changes of claims. People do
//! not start it.

use crate::args::Global;
use clap::{Args, ValueEnum};
use std::process::ExitCode;

/// Ask which files others hold, and follow changes, for nexus exec
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus exec-companion ask")]
pub(crate) struct Companion {
    /// Stage to run
    stage: Stage,
    /// Checkouts to follow, as JSON
    #[arg(hide_short_help = true)]
    followed: Option<String>,
}

/// A stage of the companion process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Asks the cluster before the command runs.
    Ask,
    /// Follows what changes while the command runs.
    Follow,
    /// Tries whether this process may make namespaces.
    Try,
}

impl Companion {
    /// Runs its stage. Only Linux has stages.
    #[cfg(target_os = "linux")]
    pub(crate) fn start(self, global: Global) -> ExitCode {
        use super::linux;
        let done = match self.stage {
            Stage::Ask => linux::ask(global),
            Stage::Follow => linux::follow(self.followed.as_deref().unwrap_or_default(), global),
            Stage::Try => linux::try_namespaces(),
        };
        if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Runs its stage. Only Linux has stages.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn start(self, _global: Global) -> ExitCode {
        let _ = (self.stage, self.followed);
        ExitCode::FAILURE
    }
}
