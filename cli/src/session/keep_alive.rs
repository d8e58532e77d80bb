//! The process that keeps a run's session alive, `nexus keeper`. It sends heartbeats while the process of the run
//! lives, ends the session once that process is gone, and claims again what is still free after the machine slept.
//! There is at most one for each session. It asks the cluster what the session holds.

use super::supervised_session::SupervisedSession;
use crate::{
    agent_run::{Process, Processes, RunKey, RunRecord, record},
    client::trust,
    context::Context,
    error::Error,
    profile::Profile,
    server,
};
use clap::Args;
use std::{
    cell::RefCell,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;
use uuid::Uuid;

/// How often it checks whether the run's process lives: the run's files are free within two of these.
const OWNER_CHECK_INTERVAL: Duration = Duration::from_millis(400);

/// The longest pause between two heartbeats.
const MAX_HEARTBEAT_PAUSE: Duration = Duration::from_secs(20);

/// The shortest pause between two heartbeats: a cluster with tiny leases must not be flooded.
const MIN_HEARTBEAT_PAUSE: Duration = Duration::from_millis(250);

/// A pause that took so much longer by the wall clock than it should is a sleep of the machine.
const SLEPT: Duration = Duration::from_secs(5);

/// Heartbeats in the time of one lease: three in a row may be lost.
const HEARTBEATS_PER_LEASE: u32 = 4;

/// How long it tries to end the session of a run that is gone. After that the lease ends it.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// The time for one heartbeat: a server that does not answer must not keep it from asking the next one.
const HEARTBEAT_TIMEOUT: &str = "5s";

/// Send the heartbeats of a run's session while its process lives
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus keeper claude:1f3a 019a0000-0000-7000-8000-000000000001")]
pub(crate) struct KeepAlive {
    /// Run to keep alive, as HOST:ID
    #[arg(value_parser = |text: &str| RunKey::parse(text).ok_or("is no run"))]
    run: RunKey,
    /// Project that the run works in
    in_project: Uuid,
    /// Folder whose state is saved when the process is gone
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// The process or the lease that the claims of a session live by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimLifetime {
    /// They live as long as this process: a keep-alive process sends heartbeats until it is gone.
    Process(Process),
    /// Nobody sends heartbeats from here. They live until the lease ends, which each request renews.
    Lease,
}

/// Starts a keep-alive process for the run, unless one is running. It does nothing where the run's process is not
/// known.
///
/// # Errors
/// When the record cannot be written, or no process can be started. The session then keeps the long lease of a session
/// without heartbeats.
pub(crate) fn ensure_keep_alive(
    context: &Context<'_>,
    key: &RunKey,
    project: Uuid,
) -> Result<ClaimLifetime, Error> {
    let records = context.records();
    // First the record, then the lock: a keep-alive process that is about to stop takes them the other way round.
    let claimed = |before: Option<RunRecord>| {
        before.map(|record| RunRecord { claim_generation: record.claim_generation + 1, ..record })
    };
    let record = records.change(key, project, claimed)?;
    let Some(owner) = record.and_then(|record| record.owner) else { return Ok(ClaimLifetime::Lease) };
    let lives = ClaimLifetime::Process(owner);
    match lock(&records.file_of(key, project)) {
        Ok(Some(free)) => drop(free),
        Ok(None) => return Ok(lives),
        Err(error) => return Err(Error::local(format!("cannot start the keep-alive process: {error}"))),
    }
    start(context, key, project)
        .map(|()| lives)
        .map_err(|error| Error::local(format!("cannot start the keep-alive process: {error}")))
}

fn start(context: &Context<'_>, key: &RunKey, project: Uuid) -> std::io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    let folder = std::env::current_dir()?;
    command
        .args(["keeper", &key.to_string(), &project.to_string(), "--timeout", HEARTBEAT_TIMEOUT])
        .arg("--folder")
        .arg(folder)
        .env("NEXUS_SERVER", server::list(&context.servers))
        .env(trust::VARIABLE, context.trust.name())
        .env_remove("NEXUS_SESSION")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(token) = &context.given_token {
        command.env("NEXUS_TOKEN", token);
    }
    if let Some(region) = &context.region {
        command.env("NEXUS_REGION", region);
    }
    Profile::pass_on(&mut command);
    detach(&mut command);
    command.spawn().map(drop)
}

#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // Signals of the terminal are not meant for it; `run` leaves the terminal's session, too.
    command.process_group(0).current_dir("/");
}

#[cfg(windows)]
fn detach(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

#[cfg(unix)]
fn leave_terminal() {
    // It fails only in a process that leads a session already.
    let _ = rustix::process::setsid();
}

#[cfg(windows)]
fn leave_terminal() {}

/// Takes the lock that a keep-alive process holds as long as it runs; none when another process has it.
fn lock(record: &Path) -> std::io::Result<Option<File>> {
    let file = File::create(record.with_extension("keeper"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl KeepAlive {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        leave_terminal();
        let records = context.records();
        let mut run = self.run;
        loop {
            let file = records.file_of(&run, self.in_project);
            let Ok(Some(lock)) = lock(&file) else { return Ok(()) };
            let Some(record) = records.read(&run, self.in_project) else { return Ok(()) };
            if record.owner.is_none() {
                return Ok(());
            }
            let supervised = SupervisedSession::new(context, run.clone(), self.in_project);
            let folder = self.folder.as_deref();
            match (Supervision { supervised, folder, lock: RefCell::new(Some(lock)) }).keep(&record).await {
                StopReason::HandedOver(to) => run = to,
                _ => return Ok(()),
            }
        }
    }
}

/// Why the process stops.
#[derive(Clone, PartialEq, Eq)]
enum StopReason {
    /// The process of its run is gone.
    OwnerGone,
    /// The session holds nothing, or is no longer to be kept alive.
    NothingHeld,
    /// The session goes on as that of the run with this key.
    HandedOver(RunKey),
}

/// A session that is kept alive, with the lock that makes this process the only one to do so.
struct Supervision<'a> {
    supervised: SupervisedSession<'a>,
    folder: Option<&'a Path>,
    lock: RefCell<Option<File>>,
}

impl Supervision<'_> {
    async fn keep(&self, record: &RunRecord) -> StopReason {
        loop {
            let end = tokio::select! {
                () = self.until_owner_gone() => StopReason::OwnerGone,
                end = self.send_heartbeats(record) => end,
            };
            // Meanwhile the run may have been resumed in another process: then it is not over.
            if end != StopReason::OwnerGone || self.end_session().await {
                return end;
            }
        }
    }

    /// Waits until the process that the record names is gone, or no process is known any more. A run that is resumed
    /// lives in another one.
    async fn until_owner_gone(&self) {
        let mut processes = Processes::default();
        loop {
            let record = record::read(self.supervised.file());
            if record.is_some_and(|record| record.owner.is_none_or(|owner| !processes.lives(owner))) {
                return;
            }
            tokio::time::sleep(OWNER_CHECK_INTERVAL).await;
        }
    }

    /// Sends heartbeats until the session holds nothing.
    async fn send_heartbeats(&self, record: &RunRecord) -> StopReason {
        let supervised = &self.supervised;
        let mut session = record.session_id;
        let mut lease = Duration::from_millis(record.lease_ms);
        let mut next_heartbeat = Instant::now();
        let mut seen = None;
        let mut is_first = true;
        loop {
            let Some(record) = record::read(supervised.file()) else {
                return supervised.successor(session).map_or(StopReason::NothingHeld, StopReason::HandedOver);
            };
            if record.session_id != session {
                session = record.session_id;
                is_first = true;
                next_heartbeat = Instant::now();
            }
            if Instant::now() >= next_heartbeat || seen != Some(record.claim_generation) {
                match supervised.send_heartbeat(session, is_first).await {
                    Ok(Some(living)) => {
                        lease = living;
                        is_first = false;
                        // A claim between two of these is lost only if the machine sleeps before the next.
                        if let Ok(holds_nothing) = supervised.refresh_held(session).await {
                            seen = Some(record.claim_generation);
                            self.note_seen_claims(record.claim_generation);
                            if holds_nothing && self.may_stop(record.claim_generation) {
                                return StopReason::NothingHeld;
                            }
                        }
                    }
                    Ok(None) => {
                        if supervised.take_back(&record.agent, session).await.is_ok() {
                            continue;
                        }
                    }
                    // No server answered: the next heartbeat tries again. A refused key ends the loop.
                    Err(Error::Refused(refused)) if !refused.is_for_now() => return StopReason::NothingHeld,
                    Err(_) => {}
                }
                next_heartbeat = Instant::now()
                    + (lease / HEARTBEATS_PER_LEASE).clamp(MIN_HEARTBEAT_PAUSE, MAX_HEARTBEAT_PAUSE);
            }
            let before = SystemTime::now();
            let pause = OWNER_CHECK_INTERVAL.min(lease / HEARTBEATS_PER_LEASE).max(MIN_HEARTBEAT_PAUSE);
            tokio::time::sleep(pause).await;
            // The clock of the runtime stands still while the machine sleeps.
            if before.elapsed().is_ok_and(|passed| passed > pause + SLEPT) {
                next_heartbeat = Instant::now();
            }
        }
    }

    /// Stores which claims it has seen. If the record cannot be written, the next time does it.
    fn note_seen_claims(&self, generation: u64) {
        let noted = record::change_file(self.supervised.file(), |record| {
            record.map(|record| RunRecord { seen_claim_generation: generation, ..record })
        });
        drop(noted);
    }

    /// Whether nothing was claimed since the cluster was asked what the session holds. The lock is released in one step
    /// with that check: a command that claims something later finds no keep-alive process, and starts one.
    fn may_stop(&self, generation: u64) -> bool {
        let mut may = false;
        let looked = record::change_file(self.supervised.file(), |record| {
            may = record.as_ref().is_none_or(|record| record.claim_generation == generation);
            if may {
                drop(self.lock.take());
            }
            record
        });
        looked.is_ok() && may
    }

    /// Saves where the work of a run that is gone stands, and ends its session; if no server answers in time, the lease
    /// ends it. Returns false when the run goes on in another process.
    async fn end_session(&self) -> bool {
        let mut processes = Processes::default();
        let mut goes_on = |record: &RunRecord| record.owner.is_some_and(|owner| processes.lives(owner));
        let until = Instant::now() + END_TIMEOUT;
        // The next agent finds the uncommitted files as they are now. If their names cannot be saved, the session ends
        // all the same.
        if let Some((folder, record)) = self.folder.zip(record::read(self.supervised.file()))
            && !goes_on(&record)
        {
            let _ = self.supervised.save_work(record.session_id, folder).await;
        }
        while Instant::now() < until {
            let Some(record) = record::read(self.supervised.file()) else { return true };
            if goes_on(&record) {
                return false;
            }
            if record.owner.is_none() {
                // The run goes on with another session, which no process is known for.
                return true;
            }
            match self.supervised.end(record.session_id).await {
                Err(Error::Refused(refused)) if refused.is_for_now() => {}
                Ok(()) | Err(Error::Refused(_)) => break,
                Err(_) => {}
            }
            tokio::time::sleep(OWNER_CHECK_INTERVAL).await;
        }
        // Other files of the run stay, such as a journal that is still to be reconciled.
        let left = record::change_file(self.supervised.file(), |record| {
            // The session is over: a run that is resumed needs another one.
            record.filter(&mut goes_on).map(RunRecord::with_stale_lease)
        });
        !matches!(left, Ok(Some(_)))
    }
}
