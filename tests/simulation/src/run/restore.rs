//! Restores: a backup is taken under load, and when the cluster is gone, a new one is started from it. Its log begins
//! above every index that anybody saw, what came after the backup is lost as a whole, and work goes on.

use super::{Running, SETTLES_WITHIN};
use crate::{
    faults::Kind,
    record, rot,
    team::{
        Team,
        ask::{Outcome, What},
        people::People,
    },
    world::{NodeClock, SeededMint, SimulatedNode, World},
};
use futures::StreamExt as _;
use nexus_api::cluster::{Cluster, WriteRequest};
use nexus_domain::{Acting, Actor, Command, Refusal, Revision, SessionId, command, entity::TokenDigest};
use nexus_node::{
    raft::clock::Clock as _,
    restore::{NewCluster, from_backup},
};
use nexus_raft_store::{
    check_backup,
    storage::{Crash, SimulatedDisk, Storage},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// The part of the runs that end with a restore.
const SOME_RUNS: f64 = 0.5;
/// The time for which agents work on the new cluster, in milliseconds.
const WORKS_FOR: u64 = 8_000;
/// The time after which a backup that was not finished is taken anew, through another node.
const TAKEN_WITHIN: u64 = 4_000;
/// The agents of the new cluster have other names and keys than those before, from this number on.
const FIRST_AGENT: usize = 300;
/// Indexes that an operator leaves above those that anybody saw, where the clock cannot be relied on.
const ROOM: u64 = 1 << 30;

/// The file of the backup, in the folder of the run.
const BACKUP: &str = "backup";

/// The backup of a run.
pub(super) struct Backups {
    rng: SmallRng,
    next: u64,
    /// The one that a node has sent, which nobody has looked at.
    sent: Arc<Mutex<Option<Taken>>>,
    /// The one that has been checked.
    checked: Option<Taken>,
}

#[derive(Clone)]
struct Taken {
    /// The place of the node that has sent it.
    place: usize,
    revision: Revision,
    bytes: Vec<u8>,
}

/// The new cluster of a run.
pub(super) struct Restored {
    /// The first index of its log.
    pub(super) first: Revision,
    /// The last one in the backup.
    pub(super) through: Revision,
    /// Those who have worked on it.
    pub(super) team: Team,
}

impl Backups {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let next = rng.random_range(2_000..35_000);
        Self { rng, next, sent: Arc::default(), checked: None }
    }

    /// Takes the backup when its time has come, through whichever node serves, and checks it as an operator does: one
    /// of a node that is damaged and has not found out is taken anew.
    pub(super) fn step(&mut self, world: &World, folder: &Path) {
        let now = world.time.now();
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sent) = sent.filter(|_| self.checked.is_none()) {
            let file = folder.join(BACKUP);
            fs::write(&file, &sent.bytes).expect("the folder of the run can be written");
            let has_rotten = rot::is_in_doubt(sent.place) || world.nodes[sent.place].has_rotten();
            match check_backup(&file) {
                Ok(_) if !rot::is_in_doubt(sent.place) => self.checked = Some(sent),
                Err(error) if !has_rotten => {
                    record::violated(format!("a backup of node {} is damaged: {error}", sent.place));
                }
                Ok(_) | Err(_) => {}
            }
        }
        if now < self.next || self.checked.is_some() {
            return;
        }
        self.next = now + TAKEN_WITHIN;
        let serving: Vec<&SimulatedNode> =
            world.nodes.iter().filter(|node| node.cluster().is_some()).collect();
        if serving.is_empty() {
            return;
        }
        let node = serving[self.rng.random_range(0..serving.len())];
        let (Some(cluster), sent, place) = (node.cluster(), self.sent.clone(), node.place()) else { return };
        node.spawn(async move {
            let found = take(&*cluster, place).await;
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            *sent = sent.take().or(found);
        });
    }
}

/// The ticket that is issued before a backup, and is worth nothing after a restore.
const TICKET: TokenDigest = TokenDigest([7; 32]);

async fn take(cluster: &dyn Cluster, place: usize) -> Option<Taken> {
    let issue = command::IssueTicket { digest: TICKET };
    cluster.propose(write(issue.into(), People.actor(0))).await.ok()?;
    let mut backup = cluster.backup(cluster.local().revision()).await.ok()?;
    let mut bytes = Vec::new();
    while let Some(piece) = backup.pieces.next().await {
        bytes.extend_from_slice(&piece.ok()?);
    }
    (bytes.len() as u64 == backup.bytes).then_some(Taken { place, revision: backup.revision, bytes })
}

fn write(command: Command, actor: Actor) -> WriteRequest {
    let acting = Acting::Engineer { candidate: SessionId(Uuid::from_u128(0x700)) };
    WriteRequest { command, actor, acting, request: None }
}

impl Running {
    /// Loses the whole cluster, and starts a new one from the backup.
    pub(super) fn restore(&mut self) {
        let is_chosen = self.backups.rng.random_bool(SOME_RUNS) && self.faults.has(Kind::Restore);
        let Some(taken) = self.backups.checked.clone().filter(|_| is_chosen && self.violations.is_empty())
        else {
            return;
        };
        let last = self.last_index();
        self.world.nodes.iter_mut().for_each(|node| node.crash(Crash::Process));
        let place = self.world.nodes.len();
        let (disk, first) = match self.build(place, &taken, last) {
            Ok(built) => built,
            Err(error) => {
                self.violations
                    .push(format!("the backup of {} cannot be restored: {error:#}", taken.revision));
                return;
            }
        };
        let now = self.world.time.now();
        self.faults.note(
            now,
            Kind::Restore,
            format!("restored: {} of {last}, on from {first}", taken.revision),
        );
        if first <= last {
            self.violations
                .push(format!("the new log begins at {first}, and indexes up to {last} were used"));
        }
        self.machines.add_restored(&mut self.world, self.backups.rng.random());
        self.world.nodes[place].put_disk(disk);
        self.world.nodes[place].start();
        let has_begun = self.until(SETTLES_WITHIN, |this| {
            let Some(cluster) = this.world.nodes[place].cluster() else { return false };
            let view = cluster.local();
            view.state().history_start().is_some_and(|start| !start.is_ending)
        });
        if !has_begun {
            let why = self.world.nodes[place].failed();
            self.violations.push(format!("the new cluster does not begin its history: {why:?}"));
            return;
        }
        self.check_restored(place, (taken.revision, last));
        let team = self.work_on_restored(place, first);
        self.restored = Some(Restored { first, through: taken.revision, team });
    }

    /// The highest index that anybody has seen.
    fn last_index(&self) -> Revision {
        let applied = self.world.nodes.iter().filter_map(SimulatedNode::cluster);
        let applied = applied.map(|cluster| cluster.local().revision()).max();
        let recorded = record::read(|record| record.entries.last_key_value().map(|(index, _)| *index));
        applied.max(recorded).unwrap_or_default()
    }

    /// Builds the disk of the first node. Returns it with the first index of its log.
    fn build(
        &mut self,
        place: usize,
        taken: &Taken,
        last: Revision,
    ) -> anyhow::Result<(SimulatedDisk, Revision)> {
        let file = self.plan.folder.join(BACKUP);
        fs::write(&file, &taken.bytes)?;
        let (clock, seed) = (NodeClock::new(self.world.time.clone()), self.backups.rng.random());
        let new = |above| NewCluster {
            cluster: None,
            above,
            peer_addr: format!("node-{place}:7501"),
            client_addr: format!("node-{place}:7401"),
        };
        let build = |above: Option<u64>, file: &Path| {
            let disk = SimulatedDisk::new();
            let storage: Arc<dyn Storage> = Arc::new(disk.clone());
            let built = from_backup::build(&storage, file, &new(above), (&clock, &SeededMint::new(seed)))?;
            anyhow::Ok((disk, Revision(built.revision().0 + 1)))
        };
        // Its clock may be behind that of the leader then. The operator gives an index, as the error says.
        let seconds = u64::try_from(clock.wall().0 / 1_000).unwrap_or(0);
        let above = last.0.max(seconds << 20) + ROOM;
        build(None, &file).or_else(|_| build(Some(above), &file))
    }

    /// Checks what the new cluster says about the former one, before anybody works on it.
    fn check_restored(&mut self, place: usize, (through, last): (Revision, Revision)) {
        let Some(cluster) = self.world.nodes[place].cluster() else { return };
        let view = cluster.local();
        let state = view.state();
        let lost = (through.0 + 1..=last.0).find(|index| state.reset_that_lost(Revision(*index)).is_none());
        if let Some(index) = lost {
            self.violations.push(format!("index {index} is lost, and the new cluster does not know it"));
        }
        if state.reset_that_lost(through).is_some() {
            self.violations
                .push(format!("index {through} is in the backup, and the new cluster calls it lost"));
        }
        let held = state.features().filter(|feature| feature.holder().is_some()).count();
        let sessions = state.sessions().count();
        if held > 0 || sessions > 0 {
            self.violations
                .push(format!("{held} features and {sessions} sessions have survived the restore"));
        }
        // A fence from before is refused by its index alone.
        if state.history_start().is_none_or(|start| start.from <= last) {
            self.violations.push(format!("fences up to {last} are not refused: {:?}", state.history_start()));
        }
        let redeem = write(command::RedeemTicket { digest: TICKET }.into(), Actor::Anonymous);
        let redeemed = self.ask(place, What::Write(Box::new(redeem)));
        let refused = Err(Refusal::TicketInvalid);
        let is_refused =
            |outcome: &Outcome| matches!(outcome, Outcome::Answered(answer, _) if answer.outcome == refused);
        if !redeemed.as_ref().is_some_and(is_refused) {
            self.violations
                .push(format!("a ticket from before the restore is worth something: {redeemed:?}"));
        }
    }

    /// Lets agents work on the new cluster, whose node is killed once.
    fn work_on_restored(&mut self, place: usize, first: Revision) -> Team {
        let (agents, seed) = (self.backups.rng.random_range(2..6), self.backups.rng.random());
        let mut team = Team::new(People, (FIRST_AGENT, agents), seed, self.plan.planted);
        let killed_at = self.world.time.now() + self.backups.rng.random_range(1_000..WORKS_FOR);
        let end = self.world.time.now() + WORKS_FOR;
        while self.world.time.now() < end {
            if self.world.time.now() == killed_at & !1 {
                self.world.nodes[place].crash(Crash::Power);
                self.world.nodes[place].start();
            }
            team.step(&self.world);
            self.step();
        }
        for operation in &team.operations {
            let Some(Outcome::Answered(answer, _)) = &operation.outcome else { continue };
            if answer.revision < first {
                let message = format!(
                    "the new cluster gave revision {} again, which is not above all before: {operation:?}",
                    answer.revision
                );
                self.violations.push(message);
                break;
            }
        }
        team
    }
}
