//! From the command line to the command: what is found out first, what is said, and how the command is run.

use super::{
    found::{self, Failure, Found},
    plan::Gap,
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

/// There is no such command, as shells say it.
const NOT_FOUND: u8 = 127;

/// It cannot be run, as shells say it.
const NOT_EXECUTABLE: u8 = 126;

/// Paths that are named when they cannot be protected: `nexus exec --explain` lists all.
const MOST_NAMED: usize = 3;

/// What is to be run.
pub(crate) struct Wanted {
    /// The command and its arguments: one word at least.
    pub(crate) command: Vec<OsString>,
    /// Whether it must not run unprotected.
    pub(crate) require: bool,
    /// Whether it must not make user namespaces: only Linux has them.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) no_namespaces: bool,
}

/// Becomes the command. What is given is the exit code when that fails.
pub(crate) fn run(wanted: Wanted, global: &Global, out: &Output) -> ExitCode {
    let checkouts =
        env::current_dir().map_err(|error| Error::local(format!("cannot tell the current folder: {error}")));
    let checkouts = match checkouts.and_then(|here| found::checkouts(&here)) {
        Ok(checkouts) => checkouts,
        Err(error) => {
            out.error(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    let prepared = if checkouts.is_empty() {
        unprotected(&wanted, out, "no project is linked here: nexus project link SLUG links one")
    } else {
        prepare(&wanted, &checkouts, global, out)
    };
    match prepared {
        Ok(command) => become_command(command, &wanted, out),
        Err(code) => code,
    }
}

/// The command as it is typed.
pub(super) fn bare(wanted: &Wanted) -> Command {
    let mut words = wanted.command.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    command
}

/// Nothing can be protected, for this reason: said, and enough to run nothing for who requires it.
pub(super) fn unprotected(wanted: &Wanted, out: &Output, why: &str) -> Result<Command, ExitCode> {
    if wanted.require {
        out.error(&Error::local(format!(
            "files of others cannot be protected, so the command was not run: {why}"
        )));
        return Err(ExitCode::FAILURE);
    }
    out.note(format_args!("Files of others are not protected: {why}"));
    Ok(bare(wanted))
}

/// Says what came of the question, or that the command must not run.
pub(super) fn say(wanted: &Wanted, found: &Found, out: &Output) -> Result<(), ExitCode> {
    if let Some(unasked) = found.unasked.as_ref().filter(|_| wanted.require) {
        return Err(refuse(unasked, out));
    }
    found.notes.iter().for_each(|note| out.note(plain(note)));
    found.failure.as_ref().map_or(Ok(()), |failure| Err(refuse(failure, out)))
}

fn refuse(failure: &Failure, out: &Output) -> ExitCode {
    out.error(&Error::local(failure.lines.join("\n  ")));
    ExitCode::from(failure.exit_code)
}

/// The protection is less than was promised, for these reasons: said, and enough to run nothing for who requires it.
#[cfg(target_os = "linux")]
pub(super) fn say_shortfalls(wanted: &Wanted, shortfalls: &[String], out: &Output) -> Result<(), ExitCode> {
    match shortfalls.first() {
        Some(why) if wanted.require => {
            out.error(&Error::local(format!("the command was not run: {why}")));
            Err(ExitCode::FAILURE)
        }
        _ => {
            shortfalls.iter().for_each(|why| out.note(why));
            Ok(())
        }
    }
}

/// Says in one line what is held and not protected. For who requires protection only what is not there may be held so.
pub(super) fn say_uncovered(
    wanted: &Wanted,
    uncovered: &BTreeSet<(String, Gap)>,
    out: &Output,
) -> Result<(), ExitCode> {
    let unexpected: Vec<_> = uncovered.iter().filter(|(_, gap)| !gap.is_expected()).collect();
    if wanted.require && !unexpected.is_empty() {
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

/// The first of what is not protected, with the reasons, and how many more there are.
fn named(uncovered: &[&(String, Gap)]) -> String {
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
    wanted: &Wanted,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    super::linux::prepare(wanted, checkouts, global, out)
}

/// Elsewhere the cluster is asked by this process itself: nothing follows what changes.
#[cfg(not(target_os = "linux"))]
fn prepare(
    wanted: &Wanted,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    let found = super::companion::find(global.clone(), checkouts).map_err(|error| {
        out.error(&error);
        ExitCode::from(error.exit_code())
    })?;
    say(wanted, &found, out)?;
    confine(wanted, &found, out)
}

#[cfg(target_os = "macos")]
fn confine(wanted: &Wanted, found: &Found, out: &Output) -> Result<Command, ExitCode> {
    use super::seatbelt;
    if !std::path::Path::new(seatbelt::PROGRAM).exists() {
        return unprotected(wanted, out, "this system has no sandbox-exec");
    }
    // A profile knows names: what does not exist yet is covered.
    let uncovered = found.plans.iter().flat_map(|plan| plan.uncovered.iter().cloned()).collect();
    say_uncovered(wanted, &uncovered, out)?;
    let mut command = Command::new(seatbelt::PROGRAM);
    command.arg("-p").arg(seatbelt::profile(&found.plans)).args(&wanted.command);
    Ok(command)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn confine(wanted: &Wanted, _found: &Found, out: &Output) -> Result<Command, ExitCode> {
    unprotected(wanted, out, "this system has no way to do it that nexus knows")
}

#[cfg(unix)]
fn become_command(mut command: Command, wanted: &Wanted, out: &Output) -> ExitCode {
    use std::os::unix::process::CommandExt;
    cannot_run(&command.exec(), wanted, out)
}

#[cfg(not(unix))]
fn become_command(mut command: Command, wanted: &Wanted, out: &Output) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => cannot_run(&error, wanted, out),
    }
}

fn cannot_run(error: &io::Error, wanted: &Wanted, out: &Output) -> ExitCode {
    let name = wanted.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    out.error(&Error::local(format!("cannot run {name}: {error}")));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
}
