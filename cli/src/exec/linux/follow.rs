//! Follows claims and releases of others while a command runs, and mounts and unmounts the files in the outer namespace
//! of the command. Ends with the command. While no server answers, the mounts stay.
//!
//! The command may write all files of its user, so no file can cause an unmount: the checkout and its project are the
//! ones that it was started in, the claims come from the cluster, and a session in a record counts only if it belongs
//! to the engineer and its process is alive.

use super::{message, namespace, read_only_mounts::ReadOnlyMounts};
use crate::{
    agent_run::Processes,
    args::Global,
    client::Request,
    context::{self, Context},
    error::Error,
    exec::{
        claim_query::ClaimQuery,
        claims::{Claims, claims},
        launch_plan::FollowedCheckout,
        own_sessions::{OwnSessions, engineer},
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

/// Time between two checks that the command is alive and the mounts are in place: a program that saves a file in
/// another namespace by replacing it removes its mount here.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// These checks take at most one part in this many of the time.
const LOOK_SHARE: u32 = 20;

/// The timeout of a long poll for events.
const LONGEST_POLL: Duration = Duration::from_secs(4);

/// The pause before servers are asked again when none answered.
const PAUSE: Duration = Duration::from_millis(500);

/// Most ancestors that are checked to find out whether a process was started by the command.
const MAX_GENERATIONS: usize = 64;

/// Most events in one answer.
const PAGE: usize = 500;

/// The shortest time between two requests for all claims: one answer covers all changes within it.
const MIN_QUERY_PAUSE: Duration = Duration::from_millis(100);

/// The longest: a claim is followed within a second.
const MAX_QUERY_PAUSE: Duration = Duration::from_millis(600);

/// The task of the follower.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FollowOrder {
    /// The id of the process that becomes the command.
    pub(super) command: u32,
    /// The checkouts in which it started.
    pub(super) checkouts: Vec<FollowedCheckout>,
}

/// The message from the command's process once its mounts are made; two descriptors come before it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MountHandover {
    /// Its mounts, one set for each checkout.
    pub(super) mounts_by_checkout: Vec<ReadOnlyMounts>,
    /// The name of the mount namespace that the command begins in.
    pub(super) inside: Option<PathBuf>,
}

/// The answer: from now on claims are followed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FollowerReady;

/// Follows until the command is over.
///
/// # Errors
/// When the namespaces cannot be entered, or the message cannot be read.
pub(in crate::exec) fn follow(order: &str, global: Global) -> io::Result<()> {
    let order: FollowOrder = serde_json::from_str(order)?;
    // Signals of the terminal are not meant for this process.
    let _ = rustix::process::setsid();
    let socket = message::own_socket()?;
    let mut descriptors = message::receive_descriptors(&socket)?.into_iter();
    let MountHandover { mounts_by_checkout, inside } = message::receive(&socket)?;
    // Before a second thread starts.
    let mounts = descriptors.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    if let Some(users) = descriptors.next() {
        namespace::into_users(&users)?;
    }
    namespace::into_mounts(std::os::fd::AsFd::as_fd(&mounts))?;
    let out = Output::new(true, true);
    let context = Context::new(global, &out).map_err(io::Error::other)?;
    let runtime = context::runtime().map_err(io::Error::other)?;
    // Without `--require` the command does not wait for it.
    let _ = message::send(&socket, &FollowerReady);
    drop(socket);
    let Some(command) = Processes::default().find(order.command) else { return Ok(()) };
    let mounts_by_checkout: Vec<RefCell<ReadOnlyMounts>> =
        mounts_by_checkout.into_iter().map(RefCell::new).collect();
    let follower = Follower { context: &context, command: order.command, inside, engineer: OnceCell::new() };
    runtime.block_on(async {
        let all = order
            .checkouts
            .iter()
            .zip(&mounts_by_checkout)
            .map(|(followed, mounts)| follower.follow(followed, mounts));
        tokio::select! {
            _ = futures::future::join_all(all) => {}
            () = until_over(command, &mounts_by_checkout) => {}
        }
    });
    Ok(())
}

/// Keeps the mounts in place until the command is over.
async fn until_over(command: crate::agent_run::Process, mounts_by_checkout: &[RefCell<ReadOnlyMounts>]) {
    let mut processes = Processes::default();
    while processes.lives(command) {
        let before = Instant::now();
        for mounts in mounts_by_checkout {
            // A mount that fails now is tried again.
            let _ = mounts.borrow_mut().adjust();
        }
        tokio::time::sleep(LOOK_INTERVAL.max(before.elapsed() * LOOK_SHARE)).await;
    }
}

struct Follower<'a> {
    context: &'a Context<'a>,
    /// The id of the command's process.
    command: u32,
    /// The mount namespace that it began in.
    inside: Option<PathBuf>,
    /// The engineer of the API key, once the cluster has answered.
    engineer: OnceCell<Uuid>,
}

/// The known state of one checkout.
#[derive(Default)]
struct CheckoutState {
    /// The claims, until an event says that they changed.
    claims: Option<Claims>,
    /// The query about these claims.
    query: Option<ClaimQuery>,
}

impl Follower<'_> {
    /// Follows one checkout until this process ends.
    async fn follow(&self, followed: &FollowedCheckout, mounts: &RefCell<ReadOnlyMounts>) {
        let mut known = CheckoutState::default();
        let mut since = followed.since;
        // New files can only be compared with known wildcards.
        let mut is_due = followed.since.is_none() || followed.has_wildcards;
        let mut polling = None;
        let mut pause = LOOK_INTERVAL;
        loop {
            if is_due {
                let before = Instant::now();
                match self.look(&mut known, followed, mounts).await {
                    Ok(revision) => {
                        // Events from before that answer are in it.
                        since = since.max(revision);
                        is_due = false;
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
                // One request at a time, with a pause of several times its duration.
                let pause_between = (before.elapsed() * 4).clamp(MIN_QUERY_PAUSE, MAX_QUERY_PAUSE);
                tokio::time::sleep(pause_between).await;
                continue;
            }
            let next = polling
                .get_or_insert_with(|| Box::pin(self.poll(followed.project, since.unwrap_or_default())));
            let polled = tokio::select! {
                polled = next => polled,
                () = tokio::time::sleep(pause) => {
                    pause = self.look_for_new(&mut known, mounts).await;
                    continue;
                }
            };
            polling = None;
            match polled {
                Ok(events) => {
                    is_due = events.items.iter().any(|event| may_change(&event.fact));
                    if events.items.iter().any(|event| event.fact.changes_holders()) {
                        known.claims = None;
                    }
                    since = Some(events.next_since);
                }
                // The events may have been deleted, or the project: all claims are requested again.
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
        let request = Request::get(format!("/projects/{project}/events"))
            .query("since", Some(since))
            .query("waitMs", Some(LONGEST_POLL.as_millis()))
            .query("limit", Some(PAGE))
            .long_poll();
        self.context.client.restart_timeout();
        self.context.client.send(request).await?.parse()
    }

    /// Asks which files are held now, and mounts them.
    async fn look(
        &self,
        known: &mut CheckoutState,
        followed: &FollowedCheckout,
        mounts: &RefCell<ReadOnlyMounts>,
    ) -> Result<Option<u64>, Error> {
        self.context.client.restart_timeout();
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
        let query = ClaimQuery::new(followed.project, &followed.root, claims, &own, engineer);
        let revision = claims.revision;
        self.mount(known.query.insert(query), mounts).await?;
        Ok(revision)
    }

    /// Mounts new files that match wildcards of others. Returns the pause until the next check.
    async fn look_for_new(&self, known: &mut CheckoutState, mounts: &RefCell<ReadOnlyMounts>) -> Duration {
        let before = Instant::now();
        if let Some(query) = known.query.as_mut().filter(|query| query.has_changed()) {
            self.context.client.restart_timeout();
            if self.mount(query, mounts).await.is_err() {
                return PAUSE;
            }
        }
        LOOK_INTERVAL.max(before.elapsed() * LOOK_SHARE)
    }

    /// Mounts the files that are held now, and unmounts the others.
    async fn mount(&self, query: &mut ClaimQuery, mounts: &RefCell<ReadOnlyMounts>) -> Result<(), Error> {
        let mounted = mounts.borrow().mounted();
        let plan = query.plan(self.context, &mounted).await?;
        let mut mounts = mounts.borrow_mut();
        mounts.want(plan.paths.into_iter().collect());
        // A mount that fails now is tried again with the next check.
        let _ = mounts.adjust();
        Ok(())
    }

    /// The sessions of all runs inside the command, and the session that started it, unless an agent runs inside, which
    /// is another actor.
    fn own(&self, followed: &FollowedCheckout) -> OwnSessions {
        let mut runs = self.context.records().live_runs(followed.project);
        runs.retain(|run| self.is_inside(run.owner.pid));
        let mut own =
            if runs.iter().any(|run| run.is_agent) { OwnSessions::default() } else { followed.own.clone() };
        own.sessions.extend(runs.iter().map(|run| run.session));
        own
    }

    /// Whether a process was started by the command, directly or indirectly. It may be in a mount namespace of its own,
    /// as under another `nexus exec` or in a sandbox, where the mounts from here appear, too. Then one of its ancestors
    /// is in the first namespace of the command. So is a background process whose parents are gone.
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

/// The parent of a process.
fn parent_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|parent| *parent != 0)
}

/// Whether an event may change claims or the command's own sessions.
const fn may_change(fact: &Fact) -> bool {
    fact.changes_holders() || matches!(fact, Fact::SessionStarted { .. })
}
