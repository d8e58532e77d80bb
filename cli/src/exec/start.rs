//! From the command line to the command: asks what is held, prints what cannot be protected, and runs the command.

use super::{
    launch_plan::{self, LaunchFailure, LaunchPlan},
    protection::UncoveredReason,
};
use crate::{
    args::Global,
    error::Error,
    guard::checkout::LinkedCheckout,
    output::{Output, plain},
};
use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    io,
    process::{Command, ExitCode},
};

/// The exit code of shells for a command that does not exist.
const NOT_FOUND: u8 = 127;

/// The exit code of shells for a command that cannot be run.
const NOT_EXECUTABLE: u8 = 126;

/// Unprotected paths that one line names: `nexus exec --explain` lists all.
const MOST_NAMED: usize = 3;

/// What `nexus exec` was asked to run.
pub(crate) struct ExecRequest {
    /// The command and its arguments: one word at least.
    pub(crate) command: Vec<OsString>,
    /// Whether it must not run unprotected.
    pub(crate) require: bool,
    /// Whether it must not make user namespaces: only Linux has them.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) no_namespaces: bool,
}

/// Replaces this process by the command. It returns only when that fails, with the exit code.
pub(crate) fn run(request: ExecRequest, global: &Global, out: &Output) -> ExitCode {
    let checkouts =
        env::current_dir().map_err(|error| Error::local(format!("cannot tell the current folder: {error}")));
    let checkouts = match checkouts.and_then(|here| launch_plan::linked_checkouts(&here)) {
        Ok(checkouts) => checkouts,
        Err(error) => {
            out.error(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    let prepared = if checkouts.is_empty() {
        unprotected(&request, out, "no project is linked here: nexus project link SLUG links one")
    } else {
        prepare(&request, &checkouts, global, out)
    };
    match prepared {
        Ok(command) => become_command(command, &request, out),
        Err(code) => code,
    }
}

/// The command as it is typed.
pub(super) fn bare(request: &ExecRequest) -> Command {
    let mut words = request.command.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
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

/// Prints in one line what is held and not protected. With `--require` the command runs only if none of it exists.
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

#[cfg(target_os = "linux")]
fn prepare(
    request: &ExecRequest,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    super::linux::prepare(request, checkouts, global, out)
}

/// Elsewhere this process asks the cluster itself, and changes are not followed.
#[cfg(not(target_os = "linux"))]
fn prepare(
    request: &ExecRequest,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    let launch_plan = super::companion::find(global.clone(), checkouts).map_err(|error| {
        out.error(&error);
        ExitCode::from(error.exit_code())
    })?;
    print_notes(request, &launch_plan, out)?;
    confine(request, &launch_plan, out)
}

#[cfg(target_os = "macos")]
fn confine(request: &ExecRequest, launch_plan: &LaunchPlan, out: &Output) -> Result<Command, ExitCode> {
    use super::seatbelt;
    if !std::path::Path::new(seatbelt::PROGRAM).exists() {
        return unprotected(request, out, "this system has no sandbox-exec");
    }
    // A profile has names: files that do not exist yet are covered.
    let uncovered = launch_plan.plans.iter().flat_map(|plan| plan.uncovered.iter().cloned()).collect();
    print_uncovered(request, &uncovered, out)?;
    let mut command = Command::new(seatbelt::PROGRAM);
    command.arg("-p").arg(seatbelt::profile(&launch_plan.plans)).args(&request.command);
    Ok(command)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn confine(request: &ExecRequest, _launch_plan: &LaunchPlan, out: &Output) -> Result<Command, ExitCode> {
    unprotected(request, out, "this system has no way to do it that nexus knows")
}

#[cfg(unix)]
fn become_command(mut command: Command, request: &ExecRequest, out: &Output) -> ExitCode {
    use std::os::unix::process::CommandExt;
    cannot_run(&command.exec(), request, out)
}

#[cfg(not(unix))]
fn become_command(mut command: Command, request: &ExecRequest, out: &Output) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => cannot_run(&error, request, out),
    }
}

fn cannot_run(error: &io::Error, request: &ExecRequest, out: &Output) -> ExitCode {
    let name = request.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    out.error(&Error::local(format!("cannot run {name}: {error}")));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
}
