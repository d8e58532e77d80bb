//! The process that `nexus exec` starts beside a command: it asks the cluster, and follows what changes. People do not
//! start it.

use super::launch_plan::{self, LaunchPlan};
use crate::{args::Global, context::Context, error::Error, guard::checkout::LinkedCheckout, output::Output};
use clap::{Args, ValueEnum};
use std::{process::ExitCode, time::Duration};

/// The longest time for a request before the command runs: a person waits for it.
const LONGEST: Duration = Duration::from_secs(6);

/// Ask and follow what others hold, for nexus exec
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus exec-companion ask")]
pub(crate) struct Companion {
    /// What to do
    stage: Stage,
    /// What is followed
    #[arg(hide_short_help = true)]
    followed: Option<String>,
}

/// What the companion process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// Asks the cluster before the command runs.
    Ask,
    /// Follows what changes while the command runs.
    Follow,
    /// Tries whether this process may make namespaces.
    Try,
}

impl Companion {
    /// Does its stage. There is one only on Linux.
    #[cfg(target_os = "linux")]
    pub(crate) fn start(self, global: Global) -> ExitCode {
        super::linux::accompany(self.stage, self.followed.as_deref(), global)
    }

    /// Does its stage. There is one only on Linux.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn start(self, _global: Global) -> ExitCode {
        let _ = (self.stage, self.followed);
        ExitCode::FAILURE
    }
}

/// Asks the cluster about the checkouts that the command starts in.
///
/// # Errors
/// When the command line or the settings make no sense.
pub(super) fn find(mut global: Global, checkouts: &[LinkedCheckout]) -> Result<LaunchPlan, Error> {
    global.timeout = global.timeout.min(LONGEST);
    let out = Output::new(global.json, global.no_color);
    let context = Context::new(global, &out)?;
    Ok(runtime()?.block_on(launch_plan::ask_cluster(&context, checkouts)))
}

/// A runtime in this thread.
///
/// # Errors
/// When the system cannot start one.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::local(format!("cannot start: {error}")))
}
