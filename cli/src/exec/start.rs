//! Starts a command: asks the cluster for held files, prints the ones that cannot be protected, and runs the command.

use super::{
    launch_plan,
    request::{ExecRequest, unprotected},
};
#[cfg(not(target_os = "linux"))]
use super::{launch_plan::LaunchPlan, request::print_notes};
use crate::{
    agent_run::EXEC_COMMAND, args::Global, error::Error, guard::checkout::LinkedCheckout, output::Output,
};
use std::{
    env, io,
    process::{Command, ExitCode},
};

/// The exit code of shells for a command that does not exist.
const NOT_FOUND: u8 = 127;

/// The exit code of shells for a command that cannot be run.
const NOT_EXECUTABLE: u8 = 126;

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
        Ok(mut command) => {
            command.env(EXEC_COMMAND, std::process::id().to_string());
            become_command(command, &request, out)
        }
        Err(code) => code,
    }
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

/// Asks the cluster from this process, since there are no namespaces here. Later changes of claims are not followed.
#[cfg(not(target_os = "linux"))]
fn prepare(
    request: &ExecRequest,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    let launch_plan = launch_plan::find(global.clone(), checkouts).map_err(|error| {
        out.error(&error);
        ExitCode::from(error.exit_code())
    })?;
    print_notes(request, &launch_plan, out)?;
    confine(request, &launch_plan, out)
}

#[cfg(target_os = "macos")]
fn confine(request: &ExecRequest, launch_plan: &LaunchPlan, out: &Output) -> Result<Command, ExitCode> {
    use super::{request::print_uncovered, seatbelt};
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
