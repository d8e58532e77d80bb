//! Follows what others take and give back while a command runs, and mounts and unmounts it in the namespace that the
//! command's own is beneath. Ends with the command. While no server answers, what is mounted stays.
//!
//! The command may write all files of its user. So nothing is unmounted on the word of one: the checkout and its project are
//! those that it was started in, claims are what the cluster says, and what a record says of a session counts only for the
//! engineer's own sessions and for processes that live.

use super::{beside, message, namespace, shield::Shield};
use crate::{
    agent_run::Processes,
    args::Global,
    client::Request,
    context::Context,
    error::Error,
    exec::{
        claims::{Claims, changes_holders, claims},
        companion,
        found::Followed,
        own::{Own, engineer},
        question::Question,
    },
    output::Output,
};
use nexus_api_types::event::{Events, Fact};
use serde::{Deserialize, Serialize};
use std::{
    cell::{OnceCell, RefCell},
    fs, io,
    path::PathBuf,
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// How often it is looked whether the command lives, and whether what is mounted still is: who saves a file in another
/// namespace by replacing it takes its mount away here.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The part of the time that these looks take at most: one of so many.
const LOOK_SHARE: u32 = 20;

/// A server holds a question for events back so long.
const LONGEST_POLL: Duration = Duration::from_secs(4);

/// The pause before servers are asked again when none answered.
const PAUSE: Duration = Duration::from_millis(500);

/// Processes that are looked at to find out whether one was started by the command: the one that started it, the one that
/// started that one, and so on.
const MAX_GENERATIONS: usize = 64;

/// Events of one answer.
const PAGE: usize = 500;

/// The shortest time between two questions for all claims: what happens within it is answered together.
const SHORTEST_GAP: Duration = Duration::from_millis(100);

/// The longest: a claim is followed within a second.
const LONGEST_GAP: Duration = Duration::from_millis(600);

/// What is to be followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The number of the process that becomes the command.
    pub(super) command: u32,
    /// The checkouts that it started in.
    pub(super) checkouts: Vec<Followed>,
}

/// What the command's process hands over once it is beneath its mounts; before it come two descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handed {
    /// What it mounted, one for each checkout.
    pub(super) shields: Vec<Shield>,
    /// The name of the mount namespace that the command begins in.
    pub(super) inside: Option<PathBuf>,
}

/// What is answered: from now on it is followed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready;

/// Follows until the command is over.
///
/// # Errors
/// When the namespaces cannot be entered, or what was handed over not be read.
pub(super) fn follow(order: &str, global: Global) -> io::Result<()> {
    let order: Order = serde_json::from_str(order)?;
    // What is typed at the terminal is not meant for it.
    let _ = rustix::process::setsid();
    let socket = beside::socket()?;
    let mut descriptors = message::receive_descriptors(&socket)?.into_iter();
    let Handed { shields, inside } = message::receive(&socket)?;
    // While there is one thread only.
    let mounts = descriptors.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    if let Some(users) = descriptors.next() {
        namespace::into_users(&users)?;
    }
    namespace::into_mounts(std::os::fd::AsFd::as_fd(&mounts))?;
    let out = Output::new(true, true);
    let context = Context::new(global, &out).map_err(io::Error::other)?;
    let runtime = companion::runtime().map_err(io::Error::other)?;
    // Most do not wait for it.
    let _ = message::send(&socket, &Ready);
    drop(socket);
    let Some(command) = Processes::default().find(order.command) else { return Ok(()) };
    let shields: Vec<RefCell<Shield>> = shields.into_iter().map(RefCell::new).collect();
    let follower = Follower { context: &context, command: order.command, inside, engineer: OnceCell::new() };
    runtime.block_on(async {
        let all =
            order.checkouts.iter().zip(&shields).map(|(followed, shield)| follower.follow(followed, shield));
        tokio::select! {
            _ = futures::future::join_all(all) => {}
            () = until_over(command, &shields) => {}
        }
    });
    Ok(())
}

/// Keeps what is mounted until the command is over.
async fn until_over(command: crate::agent_run::Process, shields: &[RefCell<Shield>]) {
    let mut processes = Processes::default();
    while processes.lives(command) {
        let before = Instant::now();
        for shield in shields {
            // What cannot be mounted now is tried again.
            let _ = shield.borrow_mut().adjust();
        }
        tokio::time::sleep(LOOK_EVERY.max(before.elapsed() * LOOK_SHARE)).await;
    }
}

struct Follower<'a> {
    context: &'a Context<'a>,
    /// The number of the command's process.
    command: u32,
    /// The mount namespace that it began in.
    inside: Option<PathBuf>,
    /// Whose key it is, once the cluster has said so.
    engineer: OnceCell<Uuid>,
}

/// What is known of one checkout.
#[derive(Default)]
struct Known {
    /// The claims, until somebody's change.
    claims: Option<Claims>,
    /// What was asked for them.
    question: Option<Question>,
}

impl Follower<'_> {
    /// Follows one checkout, for good.
    async fn follow(&self, followed: &Followed, shield: &RefCell<Shield>) {
        let mut known = Known::default();
        let mut since = followed.since;
        // Files that are made can only be compared with wildcards that are known.
        let mut is_due = followed.since.is_none() || followed.has_wildcards;
        let mut polling = None;
        let mut pause = LOOK_EVERY;
        loop {
            if is_due {
                let before = Instant::now();
                match self.look(&mut known, followed, shield).await {
                    Ok(revision) => {
                        // Events from before that answer are in it.
                        since = since.max(revision);
                        is_due = false;
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
                // One question in flight, and as long a pause as it takes the servers some of these.
                let gap = (before.elapsed() * 4).clamp(SHORTEST_GAP, LONGEST_GAP);
                tokio::time::sleep(gap).await;
                continue;
            }
            let next = polling
                .get_or_insert_with(|| Box::pin(self.poll(followed.project, since.unwrap_or_default())));
            let polled = tokio::select! {
                polled = next => polled,
                () = tokio::time::sleep(pause) => {
                    pause = self.look_for_new(&mut known, shield).await;
                    continue;
                }
            };
            polling = None;
            match polled {
                Ok(events) => {
                    is_due = events.items.iter().any(|event| may_change(&event.fact));
                    if events.items.iter().any(|event| changes_holders(&event.fact)) {
                        known.claims = None;
                    }
                    since = Some(events.next_since);
                }
                // They may be too old to be had, or the project gone: all is asked anew.
                Err(Error::Refused(_)) => {
                    known.claims = None;
                    is_due = true;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn poll(&self, project: Uuid, since: u64) -> Result<Events, Error> {
        let asked = Request::get(format!("/projects/{project}/events"))
            .query("since", Some(since))
            .query("waitMs", Some(LONGEST_POLL.as_millis()))
            .query("limit", Some(PAGE))
            .patient();
        self.context.client.begin();
        self.context.client.send(asked).await?.parse()
    }

    /// Asks what is held now, and mounts it.
    async fn look(
        &self,
        known: &mut Known,
        followed: &Followed,
        shield: &RefCell<Shield>,
    ) -> Result<Option<u64>, Error> {
        self.context.client.begin();
        self.context.client.act_as(None);
        let engineer = match self.engineer.get() {
            Some(engineer) => *engineer,
            None => {
                let engineer = engineer(self.context).await?;
                *self.engineer.get_or_init(|| engineer)
            }
        };
        let claims = match known.claims.take() {
            Some(claims) => claims,
            None => claims(self.context, followed.project).await?,
        };
        let claims = known.claims.insert(claims);
        let own = self.own(followed);
        let question = Question::about(followed.project, &followed.root, claims, &own, engineer);
        let revision = claims.revision;
        self.mount(known.question.insert(question), shield).await?;
        Ok(revision)
    }

    /// Mounts files that were made since, where wildcards of others match them. Gives the pause until the next look.
    async fn look_for_new(&self, known: &mut Known, shield: &RefCell<Shield>) -> Duration {
        let before = Instant::now();
        if let Some(question) = known.question.as_mut().filter(|question| question.has_changed()) {
            self.context.client.begin();
            if self.mount(question, shield).await.is_err() {
                return PAUSE;
            }
        }
        LOOK_EVERY.max(before.elapsed() * LOOK_SHARE)
    }

    /// Mounts what is held now, and unmounts what is not any more.
    async fn mount(&self, question: &mut Question, shield: &RefCell<Shield>) -> Result<(), Error> {
        let mounted = shield.borrow().mounted();
        let plan = question.plan(self.context, &mounted).await?;
        let mut shield = shield.borrow_mut();
        shield.want(plan.paths.into_iter().collect());
        // What cannot be mounted now is tried again with the next look.
        let _ = shield.adjust();
        Ok(())
    }

    /// The sessions of all runs inside, and of who started the command: unless there is an agent inside, which is
    /// somebody else.
    fn own(&self, followed: &Followed) -> Own {
        let mut runs = self.context.records().live_runs(followed.project);
        runs.retain(|run| self.is_inside(run.owner.pid));
        let mut own = if runs.iter().any(|run| run.is_agent) { Own::default() } else { followed.own.clone() };
        own.sessions.extend(runs.iter().map(|run| run.session));
        own
    }

    /// Whether a process is one of those that the command started, by whatever way. It may be in a mount namespace of its
    /// own, as under another `nexus exec` or in a sandbox: what is mounted here is mounted there, too. Then one above it is
    /// in the one that the command began in. So is what goes on in the background, whose parents are gone.
    fn is_inside(&self, process: u32) -> bool {
        let mut next = Some(process);
        for _ in 0..MAX_GENERATIONS {
            let Some(process) = next else { return false };
            let is_in = self.inside.is_some() && namespace::name_of_mounts(process) == self.inside;
            if is_in || process == self.command {
                return true;
            }
            next = parent_of(process);
        }
        false
    }
}

/// The process that started another one, or took it over.
fn parent_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|parent| *parent != 0)
}

/// Whether somebody may hold more or less than before, or more may be one's own.
const fn may_change(fact: &Fact) -> bool {
    changes_holders(fact) || matches!(fact, Fact::SessionStarted { .. })
}
