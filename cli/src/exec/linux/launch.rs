//! The way from this process to the command: asks by its companion, moves into namespaces, mounts.

use super::{
    beside::{self, Step},
    follow::{Handed, Ready},
    message,
    namespace::{self, Ids, Outer, Unavailable},
    shield::Shield,
};
use crate::{
    args::Global,
    config::login::LoginFile,
    error::Error,
    exec::{
        found::{self, Found},
        plan::Gap,
        start::{Wanted, bare, say, say_shortfalls, say_uncovered, unprotected},
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

/// What the companion is given to answer: longer than it waits for servers and reads folders itself.
const LONGEST: Duration = Duration::from_secs(9);

/// Makes this process one that cannot write what others hold, and gives the command that it is to become.
pub(in crate::exec) fn prepare(
    wanted: &Wanted,
    checkouts: &[LinkedCheckout],
    global: &Global,
    out: &Output,
) -> Result<Command, ExitCode> {
    let failed = |error: io::Error| {
        out.error(&Error::local(format!("cannot ask what others hold, so the command was not run: {error}")));
        ExitCode::FAILURE
    };
    let here = env::current_dir().map_err(failed)?;
    let mut companion = Companion::start(global).map_err(failed)?;
    // Meanwhile the companion asks the cluster.
    let entered = if beside::has_to_fail() { Err(namespace::refused()) } else { namespace::enter() };
    let found: Found = companion.hears().unwrap_or_else(|error| {
        companion.kill();
        let login = LoginFile::locate().and_then(|file| file.read()).ok();
        found::unanswered(checkouts, login.as_ref(), &said(&error))
    });
    say(wanted, &found, out)?;
    let protected = entered.map_err(|Unavailable { why, advice }| {
        format!(
            "this system gives no namespace for it ({why}): {advice}. What changes is looked at afterwards"
        )
    });
    let protected = protected.and_then(|outer| {
        protect(wanted, &mut companion, outer, &found, checkouts).map_err(|error| error.to_string())
    });
    companion.ends();
    // From here on paths lead through what is mounted now. In another folder the command could do harm.
    env::set_current_dir(&here).map_err(|error| {
        let here = here.display();
        out.error(&Error::local(format!("cannot return to {here}, so the command was not run: {error}")));
        ExitCode::FAILURE
    })?;
    match protected {
        Ok(protection) => {
            say_uncovered(wanted, &protection.uncovered, out)?;
            say_shortfalls(wanted, &protection.shortfalls, out)?;
            Ok(bare(wanted))
        }
        Err(why) => unprotected(wanted, out, &why),
    }
}

/// Why a companion said nothing.
fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the process that asks the cluster did not answer within {} s", LONGEST.as_secs())
        }
        _ => format!("the process that asks the cluster said nothing: {error}"),
    }
}

/// What came of protecting.
#[derive(Debug, Default)]
struct Protection {
    /// What is held and could not be mounted.
    uncovered: BTreeSet<(String, Gap)>,
    /// Why the rest is protected less than was promised.
    shortfalls: Vec<String>,
}

/// Mounts what is held, and moves beneath it.
fn protect(
    wanted: &Wanted,
    companion: &mut Companion,
    outer: Outer,
    found: &Found,
    checkouts: &[LinkedCheckout],
) -> io::Result<Protection> {
    let mut protection = Protection::default();
    let mut shields = Vec::new();
    for checkout in checkouts {
        let plan = found.plans.iter().find(|plan| plan.root == checkout.root).ok_or_else(|| {
            io::Error::other(format!("it was not found out what is held in {}", checkout.root.display()))
        })?;
        let (shield, refused) = Shield::raise(&plan.root, &plan.paths)?;
        protection.uncovered.extend(plan.uncovered.iter().cloned());
        let refused = refused.into_iter().map(|(path, gap)| (path.display().to_string(), gap));
        protection.uncovered.extend(refused);
        shields.push(shield);
    }
    namespace::pass_on()?;
    let mounts = namespace::of_mounts()?;
    let users = namespace::of_users()?;
    let ids = Ids::own();
    match namespace::nest() {
        Ok(()) => match outer {
            Outer::UserAndMounts => ids.map()?,
            Outer::Mounts => companion.asks_for(Step::MapMe)?,
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
    if wanted.no_namespaces
        && let Err(error) = namespace::give_up_namespaces()
    {
        protection.shortfalls.push(format!(
            "What others take from now on can be written by a command that makes a user namespace before: it may make some ({error})"
        ));
    }
    let followed = companion.asks_for(Step::Follow).and_then(|()| {
        let mut descriptors = vec![mounts.as_fd()];
        if outer == Outer::UserAndMounts {
            descriptors.push(users.as_fd());
        }
        message::send_descriptors(&companion.socket, &descriptors)?;
        let inside = namespace::name_of_mounts(std::process::id());
        message::send(&companion.socket, &Handed { shields, inside })?;
        // Nobody else is kept waiting for it.
        if wanted.require { message::receive::<Ready>(&companion.socket).map(drop) } else { Ok(()) }
    });
    if followed.is_err() {
        protection.shortfalls.push(
            "What others take or give back from now on is not followed: its process did not start".to_owned(),
        );
    }
    Ok(protection)
}

/// The process beside this one.
struct Companion {
    child: Child,
    socket: UnixStream,
}

impl Companion {
    fn start(global: &Global) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(LONGEST))?;
        socket.set_write_timeout(Some(LONGEST))?;
        Ok(Self { child: beside::spawn(global, theirs)?, socket })
    }

    fn hears(&self) -> io::Result<Found> {
        message::receive(&self.socket)
    }

    /// Asks for something, and waits until it is done.
    fn asks_for(&self, step: Step) -> io::Result<()> {
        message::send(&self.socket, &step)?;
        let failed: Option<String> = message::receive(&self.socket)?;
        failed.map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    /// It does not answer, and is not to go on beside the command.
    fn kill(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
    }

    /// The command is to have no child that it did not start.
    fn ends(mut self) {
        drop(self.socket);
        let _ = self.child.wait();
    }
}
