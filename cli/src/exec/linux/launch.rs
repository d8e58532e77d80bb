//! Prepares this process to become the command: asks the cluster by a companion process, enters namespaces, and mounts.

use super::{
    companion_process::{self, CompanionRequest},
    follow::{FollowerReady, MountHandover},
    message,
    namespace::{self, IdMaps, NamespaceUnavailable, OuterNamespace},
    read_only_mounts::ReadOnlyMounts,
};
use crate::{
    args::Global,
    config::login::LoginFile,
    error::Error,
    exec::{
        launch_plan::{self, LaunchPlan},
        protection::UncoveredReason,
        request::{ExecRequest, bare, print_notes, print_shortfalls, print_uncovered, unprotected},
    },
    guard::checkout::LinkedCheckout,
    output::Output,
};
use std::{
    collections::BTreeSet,
    env, io,
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Child, Command, ExitCode},
    time::Duration,
};

/// The timeout for the companion process, whose own timeouts are shorter.
const LONGEST: Duration = Duration::from_secs(9);

/// Moves this process into namespaces in which it cannot write held files, and returns the command that it becomes.
pub(in crate::exec) fn prepare(
    request: &ExecRequest,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    let failed = |error: io::Error| {
        out.error(&Error::local(format!("cannot ask what others hold, so the command was not run: {error}")));
        ExitCode::FAILURE
    };
    let here = env::current_dir().map_err(failed)?;
    let mut companion = CompanionProcess::start(global).map_err(failed)?;
    // Meanwhile the companion asks the cluster.
    let entered =
        if companion_process::has_to_fail() { Err(namespace::refused()) } else { namespace::enter() };
    let launch_plan: LaunchPlan = companion.receive_plan().unwrap_or_else(|error| {
        companion.kill();
        let login = LoginFile::locate().and_then(|file| file.read()).ok();
        launch_plan::without_answer(checkouts, login.as_ref(), &receive_failure(&error))
    });
    print_notes(request, &launch_plan, out)?;
    let protected = entered.map_err(|NamespaceUnavailable { why, advice }| {
        format!(
            "this system gives no namespace for it ({why}): {advice}. What changes is looked at afterwards"
        )
    });
    let protected = protected.and_then(|outer| {
        protect(request, &mut companion, outer, &launch_plan, checkouts).map_err(|error| error.to_string())
    });
    companion.wait();
    // From here on paths lead through the new mounts. In another folder the command could do harm.
    env::set_current_dir(&here).map_err(|error| {
        let here = here.display();
        out.error(&Error::local(format!("cannot return to {here}, so the command was not run: {error}")));
        ExitCode::FAILURE
    })?;
    match protected {
        Ok(protection) => {
            print_uncovered(request, &protection.uncovered, out)?;
            print_shortfalls(request, &protection.shortfalls, out)?;
            Ok(bare(request))
        }
        Err(why) => unprotected(request, out, &why),
    }
}

/// The error if the companion process does not answer.
fn receive_failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the process that asks the cluster did not answer within {} s", LONGEST.as_secs())
        }
        _ => format!("the process that asks the cluster said nothing: {error}"),
    }
}

/// The protection that was achieved.
#[derive(Debug, Default)]
struct Protection {
    /// Held paths that could not be mounted, with the reasons.
    uncovered: BTreeSet<(String, UncoveredReason)>,
    /// Why the other paths are protected less than documented.
    shortfalls: Vec<String>,
}

/// Mounts held files read-only, and enters the inner namespace.
fn protect(
    request: &ExecRequest,
    companion: &mut CompanionProcess,
    outer: OuterNamespace,
    launch_plan: &LaunchPlan,
    checkouts: &[LinkedCheckout],
) -> io::Result<Protection> {
    let mut protection = Protection::default();
    let mut mounts_by_checkout = Vec::new();
    for checkout in checkouts {
        let plan = launch_plan.plans.iter().find(|plan| plan.root == checkout.root).ok_or_else(|| {
            io::Error::other(format!("it was not found out what is held in {}", checkout.root.display()))
        })?;
        let (read_only, refused) = ReadOnlyMounts::mount_all(&plan.root, &plan.paths)?;
        protection.uncovered.extend(plan.uncovered.iter().cloned());
        let refused = refused.into_iter().map(|(path, gap)| (path.display().to_string(), gap));
        protection.uncovered.extend(refused);
        mounts_by_checkout.push(read_only);
    }
    namespace::propagate_mounts()?;
    let mounts = namespace::of_mounts()?;
    let users = namespace::of_users()?;
    let ids = IdMaps::own();
    match namespace::nest() {
        Ok(()) => match outer {
            OuterNamespace::UserAndMounts => ids.map()?,
            OuterNamespace::Mounts => companion.request(CompanionRequest::MapMe)?,
        },
        Err(error) => protection.shortfalls.push(format!(
            "A command that is root and sets out to do so can write what is mounted read-only: no user namespace ({error})"
        )),
    }
    if let Err(error) = namespace::give_up_mounting() {
        protection.shortfalls.push(format!(
            "What others take from now on can be unmounted by a command that sets out to do so: it keeps that right ({error})"
        ));
    }
    if request.no_namespaces
        && let Err(error) = namespace::give_up_namespaces()
    {
        protection.shortfalls.push(format!(
            "What others take from now on can be written by a command that makes a user namespace before: it may make some ({error})"
        ));
    }
    let followed = companion.request(CompanionRequest::Follow).and_then(|()| {
        let mut descriptors = vec![mounts.as_fd()];
        if outer == OuterNamespace::UserAndMounts {
            descriptors.push(users.as_fd());
        }
        message::send_descriptors(&companion.socket, &descriptors)?;
        let inside = namespace::name_of_mounts(std::process::id());
        message::send(&companion.socket, &MountHandover { mounts_by_checkout, inside })?;
        // Without `--require` the command need not wait for it.
        if request.require { message::receive::<FollowerReady>(&companion.socket).map(drop) } else { Ok(()) }
    });
    if followed.is_err() {
        protection.shortfalls.push(
            "What others take or give back from now on is not followed: its process did not start".to_owned(),
        );
    }
    Ok(protection)
}

/// The companion process, and the socket to it.
struct CompanionProcess {
    child: Child,
    socket: UnixStream,
}

impl CompanionProcess {
    fn start(global: &Global) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(LONGEST))?;
        socket.set_write_timeout(Some(LONGEST))?;
        Ok(Self { child: companion_process::spawn(global, theirs)?, socket })
    }

    fn receive_plan(&self) -> io::Result<LaunchPlan> {
        message::receive(&self.socket)
    }

    /// Sends a request, and waits until it is done.
    fn request(&self, step: CompanionRequest) -> io::Result<()> {
        message::send(&self.socket, &step)?;
        let failed: Option<String> = message::receive(&self.socket)?;
        failed.map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    /// Ends a process that does not answer: it must not go on beside the command.
    fn kill(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
    }

    /// Waits for its end: the command must have no child that it did not start.
    fn wait(mut self) {
        drop(self.socket);
        let _ = self.child.wait();
    }
}
