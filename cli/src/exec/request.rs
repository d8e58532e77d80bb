//! The command that `nexus exec` runs, and the messages about its protection.

use super::{
    launch_plan::{LaunchFailure, LaunchPlan},
    protection::UncoveredReason,
};
use crate::{error::Error, output::Output, profile::Profile, text::plain};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    process::{Command, ExitCode},
};

/// Unprotected paths that one line names: `nexus exec --explain` lists all.
const MOST_NAMED: usize = 3;

/// The command to run, with the options of `nexus exec`.
pub(crate) struct ExecRequest {
    /// The command and its arguments: one word at least.
    pub(crate) command: Vec<OsString>,
    /// Whether it must not run unprotected.
    pub(crate) require: bool,
    /// Whether it must not make user namespaces: only Linux has them.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) no_namespaces: bool,
}

/// The command as it is typed.
pub(super) fn bare(request: &ExecRequest) -> Command {
    let mut words = request.command.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    // What it starts acts as the same engineer.
    Profile::pass_on(&mut command);
    command
}

/// Prints why nothing can be protected. With `--require` the command does not run.
pub(super) fn unprotected(request: &ExecRequest, out: &Output, why: &str) -> Result<Command, ExitCode> {
    if request.require {
        out.error(&Error::local(format!(
            "files of others cannot be protected, so the command was not run: {why}"
        )));
        return Err(ExitCode::FAILURE);
    }
    out.note(format_args!("Files of others are not protected: {why}"));
    Ok(bare(request))
}

/// Prints the notes of the launch plan, or why the command must not run.
pub(super) fn print_notes(
    request: &ExecRequest,
    launch_plan: &LaunchPlan,
    out: &Output,
) -> Result<(), ExitCode> {
    if let Some(unasked) = launch_plan.unasked.as_ref().filter(|_| request.require) {
        return Err(refuse(unasked, out));
    }
    launch_plan.notes.iter().for_each(|note| out.note(plain(note)));
    launch_plan.failure.as_ref().map_or(Ok(()), |failure| Err(refuse(failure, out)))
}

fn refuse(failure: &LaunchFailure, out: &Output) -> ExitCode {
    out.error(&Error::local(failure.lines.join("\n  ")));
    ExitCode::from(failure.exit_code)
}

/// Prints why the protection is less than is documented. With `--require` the command does not run.
#[cfg(target_os = "linux")]
pub(super) fn print_shortfalls(
    request: &ExecRequest,
    shortfalls: &[String],
    out: &Output,
) -> Result<(), ExitCode> {
    match shortfalls.first() {
        Some(why) if request.require => {
            out.error(&Error::local(format!("the command was not run: {why}")));
            Err(ExitCode::FAILURE)
        }
        _ => {
            shortfalls.iter().for_each(|why| out.note(why));
            Ok(())
        }
    }
}

/// Prints the held paths without protection in one line. With `--require` the command runs only if none of them exists.
pub(super) fn print_uncovered(
    request: &ExecRequest,
    uncovered: &BTreeSet<(String, UncoveredReason)>,
    out: &Output,
) -> Result<(), ExitCode> {
    let unexpected: Vec<_> = uncovered.iter().filter(|(_, gap)| !gap.is_expected()).collect();
    if request.require && !unexpected.is_empty() {
        let what = named(&unexpected);
        out.error(&Error::local(plain(&format!(
            "the command was not run: held by others and not protected: {what}"
        ))));
        return Err(ExitCode::FAILURE);
    }
    if !uncovered.is_empty() {
        let what = named(&uncovered.iter().collect::<Vec<_>>());
        out.note(plain(&format!("Held by others and not protected: {what}")));
    }
    Ok(())
}

/// The first unprotected paths with the reasons, and the number of the others.
fn named(uncovered: &[&(String, UncoveredReason)]) -> String {
    let named = uncovered.iter().take(MOST_NAMED).map(|(what, gap)| format!("{what} {}", gap.reason()));
    let named = named.collect::<Vec<_>>().join("; ");
    let more = match uncovered.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more, which nexus exec --explain lists"),
    };
    named + &more
}
