//! The process beside the one that becomes the command. Outside of all namespaces it asks the cluster, maps ids where
//! only a process outside may, and starts the process that follows changes. It ends before the command begins.

use super::{follow, message, namespace};
use crate::{
    args::Global,
    client::trust,
    context::Context,
    error::Error,
    exec::launch_plan::{self, FollowedCheckout, LaunchFailure, LaunchPlan},
    output::Output,
    profile::Profile,
    server,
};
use serde::{Deserialize, Serialize};
use std::{
    env, fs, io,
    os::{
        fd::{OwnedFd, RawFd},
        unix::{net::UnixStream, process::parent_id},
    },
    process::{Child, Command, Stdio},
};

/// The first descriptor that is neither input, output nor errors.
const FIRST_BEYOND_STANDARD: RawFd = 3;

/// A request to the companion process; requests are answered in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CompanionRequest {
    /// Map all ids in the user namespace of the process that asks.
    MapMe,
    /// Start the process that follows changes.
    Follow,
}

/// Starts a companion process that answers over this socket.
///
/// # Errors
/// When it cannot be started.
pub(super) fn spawn(global: &Global, socket: UnixStream) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["exec-companion", "ask"]);
    // Settings from the environment are inherited. A key must not be visible in the argument list.
    let given = |name: &str, value: &Option<String>| {
        value.clone().filter(|value| env::var(name).ok().as_ref() != Some(value))
    };
    for (flag, name, value) in [
        ("--server", "NEXUS_SERVER", &global.server),
        ("--region", "NEXUS_REGION", &global.region),
        ("--project", "NEXUS_PROJECT", &global.project),
        ("--session", "NEXUS_SESSION", &global.session),
    ] {
        if let Some(value) = given(name, value) {
            command.arg(format!("{flag}={value}"));
        }
    }
    if let Some(token) = given("NEXUS_TOKEN", &global.token) {
        command.env("NEXUS_TOKEN", token);
    }
    if let Some(ca) = &global.ca {
        command.env(trust::VARIABLE, ca);
    }
    Profile::pass_on(&mut command);
    command.arg(format!("--timeout={}ms", global.timeout.as_millis()));
    command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Whether a trial of the namespaces in a process of its own failed, where a trial is needed.
pub(super) fn has_to_fail() -> bool {
    namespace::has_to_be_tried() && !can_enter()
}

fn can_enter() -> bool {
    let Ok(program) = env::current_exe() else { return false };
    let mut command = Command::new(program);
    command.args(["exec-companion", "try"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Why nothing can be protected on this machine.
pub(in crate::exec) fn obstacle() -> Option<String> {
    (!can_enter()).then(|| {
        let why = namespace::refused();
        format!("no namespace is to be had: {}", why.advice)
    })
}

/// Tries whether this process may make namespaces.
///
/// # Errors
/// When it may not.
pub(in crate::exec) fn try_namespaces() -> io::Result<()> {
    namespace::enter().map(drop).map_err(|_| io::ErrorKind::PermissionDenied.into())
}

/// Asks the cluster before the command runs, and answers the requests of the process that becomes the command.
///
/// # Errors
/// When that process is gone.
pub(in crate::exec) fn ask(global: Global) -> io::Result<()> {
    close_inherited();
    let socket = message::own_socket()?;
    let checkouts = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))
        .and_then(|here| launch_plan::linked_checkouts(&here));
    let launch_plan = checkouts.and_then(|checkouts| launch_plan::find(global.clone(), &checkouts));
    let launch_plan = launch_plan.unwrap_or_else(|error| LaunchPlan {
        failure: Some(LaunchFailure::of(&error)),
        ..LaunchPlan::default()
    });
    message::send(&socket, &launch_plan)?;
    // Without namespaces, the other process sends no further request.
    while let Ok(step) = message::receive::<CompanionRequest>(&socket) {
        let done = match step {
            CompanionRequest::MapMe => namespace::map_all(parent_id()),
            CompanionRequest::Follow => start_follower(&launch_plan.followed, &global),
        };
        message::send(&socket, &done.as_ref().err().map(ToString::to_string))?;
        if step == CompanionRequest::Follow {
            break;
        }
    }
    Ok(())
}

/// Closes the inherited descriptors of the command: otherwise a reader of a pipe of the command would wait for the end
/// of this process, too. It has opened none of its own yet.
fn close_inherited() {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten();
    let open: Vec<RawFd> = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor >= FIRST_BEYOND_STANDARD) {
        // The list itself is one of them, and closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

/// Starts the process that follows changes; it gets the same socket.
fn start_follower(followed: &[FollowedCheckout], global: &Global) -> io::Result<()> {
    let mut command = Command::new(env::current_exe()?);
    let followed = follow::FollowOrder { command: parent_id(), checkouts: followed.to_vec() };
    command.args(["exec-companion", "follow", &serde_json::to_string(&followed)?]);
    // The servers, their authorities and the key are fixed now: the command may change the saved login before it is
    // read again.
    let out = Output::new(true, true);
    let context = Context::new(global.clone(), &out).map_err(io::Error::other)?;
    command.env("NEXUS_SERVER", server::list(&context.servers)).env(trust::VARIABLE, context.trust.name());
    if let Some(token) = context.given_token.as_ref().or(context.login.token.as_ref()) {
        command.env("NEXUS_TOKEN", token);
    }
    if let Some(region) = &context.region {
        command.env("NEXUS_REGION", region);
    }
    Profile::pass_on(&mut command);
    // It gets the sessions that count as own with its order.
    command.env_remove("NEXUS_SESSION").current_dir("/");
    command.stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(drop)
}
