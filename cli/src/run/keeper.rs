//! The process that looks after a run's session: it beats while the process of the run lives, ends the
//! session the moment that process is gone, and after a long sleep takes back what is still free.
//! Holds nothing of its own: what the session holds, it asks the cluster.

use super::{Key, Lost, Process, Record, Records, process::Processes, record};
use crate::{
    client::Request,
    context::Context,
    error::{Error, Refused},
};
use clap::Args;
use nexus_api_types::{
    Code, Page,
    claim::{Claim, Conflict, Mode},
    feature::Feature,
    session::{Session, SessionOf, StartSession},
};
use serde_json::{Value, json};
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// How often it is looked whether the run's process lives: its files are free within two of these.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// The longest pause between two beats.
const LONGEST_BEAT: Duration = Duration::from_secs(20);

/// The shortest: a cluster with tiny leases must not be flooded.
const SHORTEST_BEAT: Duration = Duration::from_millis(250);

/// Beats in one lease: three may be lost.
const BEATS_PER_LEASE: u32 = 4;

/// How long it is tried to end the session of a run that is gone; its lease ends it otherwise.
const END_WITHIN: Duration = Duration::from_secs(60);

/// The time for one beat: a server that keeps silent must not keep the next one from being asked.
const BEAT_TIMEOUT: &str = "5s";

/// Look after the session of a run while its process lives
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus keeper claude:1f3a 019a0000-0000-7000-8000-000000000001")]
pub(crate) struct Keeper {
    /// The run
    #[arg(value_parser = |text: &str| Key::parse(text).ok_or("is no run"))]
    run: Key,
    /// The project
    in_project: Uuid,
}

/// Sees to it that a keeper looks after the run, if it is known which process the run lives in.
///
/// # Errors
/// When the record cannot be written, or no process be started: the session then has the long lease of
/// one that nobody looks after.
pub(crate) fn watch_over(context: &Context<'_>, key: &Key, project: Uuid) -> Result<(), Error> {
    let records = context.records();
    // First the record, then the lock: a keeper that is about to go looks at them the other way round.
    let taken = |before: Option<Record>| before.map(|record| Record { taken: record.taken + 1, ..record });
    let Some(record) = records.change(key, project, taken)? else { return Ok(()) };
    if record.owner.is_none() {
        return Ok(());
    }
    match lock(&records.file_of(key, project)) {
        Ok(Some(free)) => drop(free),
        Ok(None) => return Ok(()),
        Err(error) => return Err(Error::local(format!("cannot start a keeper: {error}"))),
    }
    start(context, key, project).map_err(|error| Error::local(format!("cannot start a keeper: {error}")))
}

fn start(context: &Context<'_>, key: &Key, project: Uuid) -> std::io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["keeper", &key.to_string(), &project.to_string(), "--timeout", BEAT_TIMEOUT])
        .env("NEXUS_SERVER", context.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        .env_remove("NEXUS_SESSION")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(token) = &context.given_token {
        command.env("NEXUS_TOKEN", token);
    }
    detach(&mut command);
    command.spawn().map(drop)
}

#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // What is typed at the terminal is not meant for it; `run` leaves the terminal's session too.
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
    // It fails only for who leads a session already.
    let _ = rustix::process::setsid();
}

#[cfg(windows)]
fn leave_terminal() {}

/// The lock that a keeper holds as long as it runs; none when another one has it.
fn lock(record: &Path) -> std::io::Result<Option<File>> {
    let file = File::create(record.with_extension("keeper"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Keeper {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        leave_terminal();
        let records = context.records();
        let file = records.file_of(&self.run, self.in_project);
        let Ok(Some(lock)) = lock(&file) else { return Ok(()) };
        let Some(record) = records.read(&self.run, self.in_project) else { return Ok(()) };
        let Some(owner) = record.owner else { return Ok(()) };
        let ward = Ward { context, records, key: &self.run, project: self.in_project, file };
        let mut watch = Watch { processes: Processes::default(), owner };
        let end = tokio::select! {
            () = watch.until_gone() => End::OwnerGone,
            end = ward.beat(&record, lock) => end,
        };
        if end == End::OwnerGone {
            ward.end_session().await;
        }
        Ok(())
    }
}

/// Why a keeper goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its run is over.
    OwnerGone,
    /// There is nothing to look after.
    NothingHeld,
}

/// The process of the run.
struct Watch {
    processes: Processes,
    owner: Process,
}

impl Watch {
    async fn until_gone(&mut self) {
        while self.processes.lives(self.owner) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What a session holds: enough to take it back.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    features: Vec<String>,
    paths: Vec<(String, Mode)>,
}

impl Held {
    fn is_nothing(&self) -> bool {
        self.features.is_empty() && self.paths.is_empty()
    }
}

/// The session that is looked after.
struct Ward<'a> {
    context: &'a Context<'a>,
    records: Records,
    key: &'a Key,
    project: Uuid,
    file: PathBuf,
}

impl Ward<'_> {
    /// Beats until there is nothing to hold any more. Gives the lock back in one step with the last look
    /// at the record: a command that takes something after it starts another keeper.
    async fn beat(&self, record: &Record, lock: File) -> End {
        let mut session = record.session_id;
        let mut lease = Duration::from_millis(record.lease_ms);
        let mut held = Held::default();
        let mut next_beat = Instant::now();
        let mut seen = None;
        let mut is_first = true;
        loop {
            let Some(record) = record::read(&self.file) else { return End::NothingHeld };
            if record.session_id != session {
                session = record.session_id;
                is_first = true;
                next_beat = Instant::now();
            }
            if Instant::now() >= next_beat || seen != Some(record.taken) {
                match self.beat_once(session, is_first).await {
                    Ok(Some(living)) => {
                        lease = living;
                        is_first = false;
                        // Between two looks something may be held that is not known: lost only if the
                        // machine sleeps within the same moment.
                        if let Ok(now) = self.held(session).await {
                            held = now;
                            seen = Some(record.taken);
                            self.note_kept(record.taken);
                            if held.is_nothing() && self.may_go(record.taken) {
                                drop(lock);
                                return End::NothingHeld;
                            }
                        }
                    }
                    Ok(None) => {
                        if self.take_back(&record.agent, &held).await.is_ok() {
                            continue;
                        }
                    }
                    // Nobody answers: the next beat asks again. A refused key beats no more.
                    Err(Error::Refused(refused)) if !is_for_now(&refused) => return End::NothingHeld,
                    Err(_) => {}
                }
                next_beat = Instant::now() + (lease / BEATS_PER_LEASE).clamp(SHORTEST_BEAT, LONGEST_BEAT);
            }
            tokio::time::sleep(LOOK_EVERY.min(lease / BEATS_PER_LEASE).max(SHORTEST_BEAT)).await;
        }
    }

    /// Notes how much is known, for whoever wants to be sure. What cannot be written is noted next time.
    fn note_kept(&self, taken: u64) {
        let noted =
            record::change_file(&self.file, |record| record.map(|record| Record { kept: taken, ..record }));
        drop(noted);
    }

    /// Whether nothing was taken since what is held was asked.
    fn may_go(&self, taken: u64) -> bool {
        let mut may = false;
        let looked = record::change_file(&self.file, |record| {
            may = record.as_ref().is_none_or(|record| record.taken == taken);
            record
        });
        looked.is_ok() && may
    }

    /// One beat: how long the session lives without another, and none if it is over.
    async fn beat_once(&self, session: Uuid, is_first: bool) -> Result<Option<Duration>, Error> {
        self.context.client.begin();
        // The beat names its session: acting as one that is over would be refused in another way.
        self.context.client.act_as(None);
        let project = self.project;
        let beat = Request::post(format!("/projects/{project}/sessions/{session}/heartbeat"));
        match self.context.client.send(beat).await {
            Ok(_) => {}
            Err(Error::Refused(refused)) if refused.body.code == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let known = record::read(&self.file).filter(|record| record.session_id == session);
        let lease_ms = match known {
            // The first beat puts the session on its short lease.
            Some(record) if !is_first => record.lease_ms,
            _ => self.lease_ms(session).await?,
        };
        self.records.change(self.key, project, |record| {
            record.map(|mut record| {
                if record.session_id == session {
                    record.beat(lease_ms);
                }
                record
            })
        })?;
        Ok(Some(Duration::from_millis(lease_ms)))
    }

    async fn lease_ms(&self, session: Uuid) -> Result<u64, Error> {
        let active = Request::get(format!("/projects/{}/sessions/active", self.project));
        let sessions: Vec<SessionOf> = self.context.client.send(active).await?.parse()?;
        let found = sessions.into_iter().find(|found| found.session.id == session);
        Ok(found.map_or(0, |found| record::lease_ms(&found.session)))
    }

    /// What the session holds now.
    async fn held(&self, session: Uuid) -> Result<Held, Error> {
        let project = self.project;
        let client = &self.context.client;
        client.act_as(Some(session));
        let mine = client.send(Request::get(format!("/projects/{project}/claims/mine"))).await?;
        let claims: Vec<Claim> = mine.parse()?;
        let mut features = Vec::new();
        let mut cursor = None;
        loop {
            let active = Request::get(format!("/projects/{project}/features"))
                .query("status", Some("active"))
                .query("limit", Some(100))
                .query("cursor", cursor.take());
            let page: Page<Feature> = client.send(active).await?.parse()?;
            let own = page.items.into_iter().filter(|feature| feature.session_id == Some(session));
            features.extend(own.map(|feature| feature.slug));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let loose = claims.into_iter().filter(|claim| claim.feature_id.is_none());
        Ok(Held { features, paths: loose.map(|claim| (claim.file_path, claim.mode)).collect() })
    }

    /// The session is over, but its run is not: a new one takes back what is still free, and the record
    /// says what is not.
    async fn take_back(&self, agent: &str, held: &Held) -> Result<(), Error> {
        let client = &self.context.client;
        let project = self.project;
        client.begin();
        client.act_as(None);
        let body = StartSession { agent: Some(agent.to_owned()), ..StartSession::default() };
        let start = Request::post(format!("/projects/{project}/sessions")).body(&body);
        let session: Session = client.send(start).await?.parse()?;
        client.act_as(Some(session.id));
        let mut lost = Vec::new();
        for slug in &held.features {
            let pick = Request::post(format!("/projects/{project}/features/{slug}/pick"));
            lost.extend(self.refused(slug, pick).await?);
        }
        for (path, mode) in &held.paths {
            let claim = Request::post(format!("/projects/{project}/claims"))
                .body(&json!({ "paths": [path], "mode": mode }));
            lost.extend(self.refused(path, claim).await?);
        }
        self.records.change(self.key, project, |record| {
            record.map(|mut record| {
                record.saw(&session);
                lost.into_iter().for_each(|one| record.lost(one));
                record
            })
        })?;
        Ok(())
    }

    /// Asks for what was held before; gives it as lost if it is refused for good.
    async fn refused(&self, what: &str, request: Request) -> Result<Option<Lost>, Error> {
        self.context.client.begin();
        match self.context.client.send(request).await {
            Ok(_) => Ok(None),
            Err(Error::Refused(refused)) if !is_for_now(&refused) => {
                let by = conflicts(&refused).into_iter().next().map(|conflict| conflict.claimed_by);
                Ok(Some(Lost { what: what.to_owned(), why: refused.body.message.clone(), by }))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the session of a run that is gone; whoever cannot be reached in time lets its lease end it.
    async fn end_session(&self) {
        let client = &self.context.client;
        let until = Instant::now() + END_WITHIN;
        while Instant::now() < until {
            let Some(record) = record::read(&self.file) else { return };
            client.begin();
            client.act_as(None);
            let path = format!("/projects/{}/sessions/{}", self.project, record.session_id);
            match client.send(Request::delete(path)).await {
                Ok(_) => break,
                Err(Error::Refused(refused)) if !is_for_now(&refused) => break,
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        // What else the run wrote, such as a journal of what is to be reconciled, stays.
        let _ = record::change_file(&self.file, |_| None);
    }
}

fn is_for_now(refused: &Refused) -> bool {
    matches!(refused.body.code, Code::RateLimited | Code::ServiceUnavailable | Code::InternalError)
}

fn conflicts(refused: &Refused) -> Vec<Conflict> {
    let list = refused.body.details.as_ref().and_then(|details: &Value| details.get("conflicts")).cloned();
    list.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default()
}
