//! The way from this process to the command: asks by its companion, moves into namespaces, mounts.

use super::{
    beside::{self, Step},
    message,
    namespace::{self, Ids, Outer, Unavailable},
    shield::Shield,
};
use crate::{
    args::Global,
    error::Error,
    exec::{
        found::Found,
        plan::Gap,
        start::{Wanted, bare, say, say_uncovered, unprotected},
    },
    guard::place::Place,
    output::Output,
};
use std::{
    collections::BTreeSet,
    env, io,
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Child, Command, ExitCode},
    time::Duration,
};

/// What the companion is given to answer: longer than it waits for servers itself.
const LONGEST: Duration = Duration::from_secs(8);

/// Makes this process one that cannot write what others hold, and gives the command that it is to become.
pub(in crate::exec) fn prepare(
    wanted: &Wanted,
    places: &[Place],
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
    let found: Found = companion.hears().map_err(failed)?;
    say(&found, out)?;
    let protected = entered.map_err(|Unavailable { why, advice }| {
        format!(
            "this system gives no namespace for it ({why}): {advice}. What changes is looked at afterwards"
        )
    });
    let protected = protected.and_then(|outer| {
        protect(&mut companion, outer, &found, places, out).map_err(|error| format!("{error}"))
    });
    companion.ends();
    // From here on paths lead through what is mounted now.
    let _ = env::set_current_dir(here);
    match protected {
        Ok(()) => Ok(bare(wanted)),
        Err(why) => unprotected(wanted, out, &why),
    }
}

/// Mounts what is held, and moves beneath it.
fn protect(
    companion: &mut Companion,
    outer: Outer,
    found: &Found,
    places: &[Place],
    out: &Output,
) -> io::Result<()> {
    let mut uncovered: BTreeSet<(String, Gap)> = BTreeSet::new();
    let mut shields = Vec::new();
    for plan in found.plans.iter().filter(|plan| places.iter().any(|place| place.root == plan.root)) {
        let (shield, refused) = Shield::raise(&plan.root, &plan.paths)?;
        uncovered.extend(plan.uncovered.iter().cloned());
        uncovered.extend(refused.into_iter().map(|(path, gap)| (path.display().to_string(), gap)));
        shields.push(shield);
    }
    say_uncovered(&uncovered, out);
    namespace::pass_on()?;
    let mounts = namespace::of_mounts()?;
    let users = namespace::of_users()?;
    let ids = Ids::own();
    match namespace::nest() {
        Ok(()) => match outer {
            Outer::UserAndMounts => ids.map()?,
            Outer::Mounts => companion.asks_for(Step::MapMe)?,
        },
        Err(error) => out.note(format_args!(
            "What is mounted can be unmounted by a command that is root and sets out to do so: no user namespace ({error})"
        )),
    }
    companion.asks_for(Step::Follow)?;
    let mut descriptors = vec![mounts.as_fd()];
    if outer == Outer::UserAndMounts {
        descriptors.push(users.as_fd());
    }
    let handed = message::send_descriptors(&companion.socket, &descriptors);
    if handed.and_then(|()| message::send(&companion.socket, &shields)).is_err() {
        out.note("What others take or give back from now on is not followed: its process did not start");
    }
    Ok(())
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

    /// The command is to have no child that it did not start.
    fn ends(mut self) {
        drop(self.socket);
        let _ = self.child.wait();
    }
}
