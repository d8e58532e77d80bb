//! Defects that are planted, one at a time, so that a test can show that they are found. Each is made at a seam that
//! the simulation has in any case: the rules, the disk, or what a node tells its clients.

use crate::{
    record,
    team::people::People,
    world::{BEGIN, Rules, Wrap},
};
use nexus_domain::{
    Acting, Applied, Command, Proposal, Refusal, Revision, Row, State, command, ids::SessionId,
    reply_cache::Request, time::ClusterTime,
};
use nexus_raft_store::{
    StoreError,
    storage::{Batch, Column, File, Folder, KeyRange, Operation, Order, Reader, Scan, SpaceUsage, Storage},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// A defect that is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Planted {
    /// Whoever asks for files that somebody holds gets them, as after a check that was made before the write.
    CheckThenSet,
    /// The bytes of an engineer are counted twice when they are compared with a quota.
    QuotaCountedTwice,
    /// Leases end by the time of day.
    LeaseByWallClock,
    /// Cluster time runs too fast: each entry adds to it.
    FastClusterTime,
    /// Heartbeats are acknowledged and do nothing.
    HeartbeatForgotten,
    /// A request that is sent again is carried out again.
    NoReplyCache,
    /// The answers to requests are kept in memory alone.
    RepliesNotStored,
    /// All requests without a key share one place in the reply cache.
    SlotReusedEarly,
    /// A flush returns before anything is durable.
    LostFsync,
    /// A vote is not stored.
    VoteForgotten,
    /// A snapshot lacks the last entry that it says it covers.
    SnapshotWithoutLastEntry,
    /// Some events are not stored.
    EventNotStored,
    /// One node leaves an entry out.
    EntrySkipped,
    /// A read asks nobody whether the node is up to date.
    StaleRead,
    /// A write is answered before it is committed.
    ReplyBeforeCommit,
    /// The log of a restored cluster goes on right behind its backup.
    FenceReusedAfterRestore,
    /// A node proposes a write without a key again when it does not know what became of it.
    WriteRepeated,
}

impl Planted {
    /// The rules with this defect.
    pub fn rules(self) -> Rules {
        match self {
            Self::CheckThenSet => check_then_set,
            Self::QuotaCountedTwice => quota_counted_twice,
            Self::LeaseByWallClock => lease_by_wall_clock,
            Self::FastClusterTime => fast_cluster_time,
            Self::HeartbeatForgotten => heartbeat_forgotten,
            Self::NoReplyCache => no_reply_cache,
            Self::SlotReusedEarly => slot_reused_early,
            Self::EntrySkipped => entry_skipped,
            Self::FenceReusedAfterRestore => fence_reused,
            _ => record::apply,
        }
    }

    /// The wrapping of the disks that makes this defect.
    pub fn wrap(self) -> Wrap {
        match self {
            Self::RepliesNotStored => |disk| FaultyDisk::wrap(disk, Self::RepliesNotStored),
            Self::LostFsync => |disk| FaultyDisk::wrap(disk, Self::LostFsync),
            Self::VoteForgotten => |disk| FaultyDisk::wrap(disk, Self::VoteForgotten),
            Self::SnapshotWithoutLastEntry => |disk| FaultyDisk::wrap(disk, Self::SnapshotWithoutLastEntry),
            Self::EventNotStored => |disk| FaultyDisk::wrap(disk, Self::EventNotStored),
            _ => |disk| disk,
        }
    }
}

/// Applies a proposal that differs from the one in the log, and notes the one in the log.
fn apply_instead(state: &mut State, revision: Revision, proposal: &Proposal, instead: &Proposal) -> Applied {
    let applied = nexus_domain::apply(state, revision, instead);
    record::note(state, revision, proposal, &applied);
    applied
}

fn check_then_set(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut touched = BTreeSet::new();
    let is_claim = matches!(proposal.command, Command::ClaimPaths(_) | Command::PickFeature(_));
    if is_claim {
        let mut tried = state.clone();
        if let Err(Refusal::FilesClaimed { conflicts }) =
            nexus_domain::apply(&mut tried, revision, proposal).answer.outcome
        {
            for conflict in conflicts {
                // The holder is gone from the table, and does not know it.
                let Some(holder) = state.session(conflict.by.holder.session).cloned() else { continue };
                let ended = command::EndSession { project: holder.project, session: holder.id };
                let actor = People.actor_of(holder.engineer);
                let end = Proposal {
                    command: ended.into(),
                    actor,
                    acting: Acting::Session(holder.id),
                    request: None,
                    stamp: proposal.stamp,
                };
                touched.append(&mut nexus_domain::apply(state, revision, &end).touched);
            }
        }
    }
    let mut applied = record::apply(state, revision, proposal);
    applied.touched.append(&mut touched);
    applied
}

/// Halves the quota for one command, which is the same.
fn quota_counted_twice(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    if !matches!(proposal.command, Command::CreateProject(_)) {
        return record::apply(state, revision, proposal);
    }
    let with_quota = |state: &State, change: fn(u64) -> u64| {
        let rows = state.rows().map(|row| match row {
            Row::Settings(mut settings) => {
                let quota = &mut Arc::make_mut(&mut settings).quotas.engineer_projects;
                *quota = change(*quota);
                Row::Settings(settings)
            }
            other => other,
        });
        State::from_rows(rows.collect::<Vec<_>>()).expect("the rows of a state form one")
    };
    *state = with_quota(state, |quota| quota / 2);
    let applied = nexus_domain::apply(state, revision, proposal);
    *state = with_quota(state, |quota| quota * 2);
    record::note(state, revision, proposal, &applied);
    applied
}

fn lease_by_wall_clock(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut instead = proposal.clone();
    let since_begin = u64::try_from(proposal.stamp.wall.0 - BEGIN).unwrap_or(0);
    instead.stamp.cluster = ClusterTime(since_begin);
    apply_instead(state, revision, proposal, &instead)
}

fn fast_cluster_time(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut instead = proposal.clone();
    instead.stamp.cluster.0 += 50 * revision.0;
    apply_instead(state, revision, proposal, &instead)
}

fn heartbeat_forgotten(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut instead = proposal.clone();
    if let Command::Heartbeats(beats) = &mut instead.command {
        beats.heartbeats.clear();
    }
    apply_instead(state, revision, proposal, &instead)
}

fn no_reply_cache(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let instead = Proposal { request: None, ..proposal.clone() };
    apply_instead(state, revision, proposal, &instead)
}

fn slot_reused_early(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut instead = proposal.clone();
    if let Some(Request::Slotted { slot, id }) = &mut instead.request {
        slot.number = 0;
        id.sequence /= 2;
    }
    apply_instead(state, revision, proposal, &instead)
}

fn entry_skipped(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    if record::place() == 1 && revision.0.is_multiple_of(100) {
        let nothing = Proposal {
            command: command::Tick.into(),
            actor: nexus_domain::Actor::System,
            acting: Acting::Session(SessionId(Uuid::nil())),
            request: None,
            stamp: proposal.stamp,
        };
        return nexus_domain::apply(state, revision, &nothing);
    }
    record::apply(state, revision, proposal)
}

/// The first indexes that only a restored cluster reaches.
const RESTORED: u64 = 1 << 40;

/// Counts on from the last entry of the backup.
fn fence_reused(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    if revision.0 < RESTORED {
        return record::apply(state, revision, proposal);
    }
    let next = Revision(state.clock().revision.0 + 1);
    let applied = nexus_domain::apply(state, next, proposal);
    record::note(state, revision, proposal, &applied);
    applied
}

/// Values by their keys; none where there was no value.
type FormerValues = BTreeMap<(Column, Vec<u8>), Option<Vec<u8>>>;

/// A disk with a defect.
struct FaultyDisk {
    disk: Arc<dyn Storage>,
    defect: Planted,
    /// The values before the last batch of applied entries, of the keys that it changed.
    before: Mutex<FormerValues>,
}

/// The tags of the rows of replies, with a key and without. They follow a project, which is none.
const REPLIES: [u8; 2] = [8, 10];

impl FaultyDisk {
    fn wrap(disk: Arc<dyn Storage>, defect: Planted) -> Arc<dyn Storage> {
        Arc::new(Self { disk, defect, before: Mutex::default() })
    }

    fn loses(&self, operation: &Operation<'_>) -> bool {
        match (self.defect, operation) {
            (Planted::VoteForgotten, Operation::Put(Column::Meta, key, _)) => *key == b"log/vote",
            (Planted::RepliesNotStored, Operation::Put(Column::Rows, key, _)) => {
                key.get(16).is_some_and(|tag| REPLIES.contains(tag)) && key.starts_with(&[0; 16])
            }
            (Planted::EventNotStored, Operation::Put(Column::Events, key, _)) => {
                key.get(7).is_some_and(|lowest| lowest.is_multiple_of(20))
            }
            _ => false,
        }
    }
}

impl Reader for FaultyDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        self.disk.scan(column, range, order)
    }
}

impl Storage for FaultyDisk {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let is_applied = batch
            .operations()
            .any(|operation| matches!(operation, Operation::Put(Column::Meta, b"machine/progress", _)));
        if self.defect == Planted::SnapshotWithoutLastEntry && is_applied {
            let mut before = BTreeMap::new();
            for operation in batch.operations() {
                if let Operation::Put(Column::Rows, key, _) = operation {
                    before.insert((Column::Rows, key.to_vec()), self.disk.get(Column::Rows, key)?);
                }
            }
            *self.before.lock().unwrap_or_else(PoisonError::into_inner) = before;
        }
        let mut kept = Batch::new();
        for operation in batch.operations().filter(|operation| !self.loses(operation)) {
            match operation {
                Operation::Put(column, key, value) => kept.put(column, key, value),
                Operation::Delete(column, key) => kept.delete(column, key),
                Operation::DeleteRange(column, range) => kept.delete_range(column, range.clone()),
            }
        }
        self.disk.write(kept)
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.defect == Planted::LostFsync { Ok(()) } else { self.disk.flush() }
    }

    fn flush_delay(&self) -> Duration {
        self.disk.flush_delay()
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.disk.with_view(&mut |view| work(&Former { view, before: &before }));
    }

    fn folder(&self) -> Arc<dyn Folder> {
        if self.defect == Planted::LostFsync {
            return Arc::new(FaultyFolder(self.disk.folder()));
        }
        self.disk.folder()
    }

    fn may_block(&self) -> bool {
        self.disk.may_block()
    }

    fn usage(&self) -> SpaceUsage {
        self.disk.usage()
    }
}

/// A view in which some keys have former values.
struct Former<'a> {
    view: &'a dyn Reader,
    before: &'a FormerValues,
}

impl Reader for Former<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.before.get(&(column, key.to_vec())) {
            Some(former) => Ok(former.clone()),
            None => self.view.get(column, key),
        }
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        Box::new(self.view.scan(column, range, order).filter_map(move |pair| {
            let Ok((key, _)) = &pair else { return Some(pair) };
            match self.before.get(&(column, key.to_vec())) {
                Some(Some(former)) => Some(Ok((key.clone(), former.as_slice().into()))),
                Some(None) => None,
                None => Some(pair),
            }
        }))
    }
}

/// A folder whose files and names are never made durable.
struct FaultyFolder(Arc<dyn Folder>);

impl Folder for FaultyFolder {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.0.names()
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>, StoreError> {
        Ok(Arc::new(FaultyFile(self.0.create(name)?)))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn File>>, StoreError> {
        Ok(self.0.open(name)?.map(|file| Arc::new(FaultyFile(file)) as _))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.0.remove(name)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.0.sync()
    }
}

struct FaultyFile(Arc<dyn File>);

impl File for FaultyFile {
    fn length(&self) -> Result<u64, StoreError> {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.write_at(offset, bytes)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
