//! Builds the storage of a node that begins a new history: from a backup, or from the data of one node of a cluster
//! that has lost its quorum. The state stays what it was; the log is empty and ends right before the new history, and
//! the node is its only member.
//!
//! Storage is marked before anything else is written, and the last batch removes the mark. A node that opens it in
//! between finds the mark, and does not start ([`check_is_finished`]).

use super::{backup::BackupFile, build, dir::SnapshotDir, install::copy};
use crate::{
    error::StoreError,
    keys::meta,
    log::{begin_log, read_log, read_meta},
    machine::{
        ApplyStats, Published,
        apply::{Step, encode_progress},
        load::{check_rules, load, load_progress},
        progress::Progress,
        row_hashes::RowHashes,
    },
    record::{self, Kind},
    storage::{Batch, Column, KeyRange, Order, Reader, Storage},
    types::{LeaderId, LogId, Member, StoredMembership, Vote},
};
use nexus_domain::{ClusterId, Revision, State, entity::ResetKind};
use openraft::{Membership, vote::RaftVote as _};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The bytes of entries that are applied in one batch.
const STEP_BYTES: usize = 1 << 20;

/// The new history that a node begins, as its data folder stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHistory {
    /// The id of the new cluster.
    pub cluster: ClusterId,
    /// The last log index of the former history.
    pub through: Revision,
    /// Why the history is reset.
    pub kind: ResetKind,
}

impl NewHistory {
    /// Whether the node still has to begin it, by an entry that gives its state the new cluster's id.
    pub fn is_to_begin(&self, state: &State) -> bool {
        state.origin().map(|origin| origin.cluster) != Some(self.cluster)
    }
}

/// The node that begins a new history.
#[derive(Clone, Debug)]
pub struct Founder {
    /// The id of the new cluster.
    pub cluster: ClusterId,
    /// The log index of the first entry.
    pub first: Revision,
    /// The id of the node.
    pub node: u64,
    /// Its data folder and its addresses.
    pub member: Member,
    /// Its own identity, as [`StoreHandle::identity`](crate::StoreHandle::identity) returns it.
    pub identity: Vec<u8>,
}

/// Builds an empty storage from a backup. `found` gets the state of the backup and names the node. Blocks on the
/// device. Returns the state as it is stored.
///
/// # Errors
/// [`StoreError::Snapshot`] if the backup is damaged, [`StoreError::NewHistory`] if the cluster's id is not a new one,
/// an error of `found`, or one of the device. Then the storage is marked as unfinished.
pub fn restore<E: From<StoreError>>(
    storage: &Arc<dyn Storage>,
    backup: &BackupFile,
    found: impl FnOnce(&Published) -> Result<Founder, E>,
) -> Result<Published, E> {
    begin(storage.as_ref())?;
    let (progress, last) = copy(storage.as_ref(), |visit| backup.read(visit))?;
    let (published, _) = loaded(storage.as_ref(), &progress, last)?;
    let founder = found(&published)?;
    let term = progress.applied.map_or(0, |log_id| log_id.leader_id.term);
    Ok(finish(storage, published, &founder, ResetKind::Restored, term)?)
}

/// Builds an empty storage from the data of a node, and applies the whole log of that node: any of its entries may have
/// been acknowledged. The storage of the node stays as it is. `found` gets the state after the last entry and names the
/// new node. Blocks on the device. Returns the state as it is stored.
///
/// # Errors
/// [`StoreError::NewHistory`] if the node still has to begin a new history itself or the cluster's id is not a new one,
/// other errors if a record of the node is damaged, of `found`, or of the device. Then the storage is marked as
/// unfinished.
pub fn recover<E: From<StoreError>>(
    storage: &Arc<dyn Storage>,
    node: &dyn Reader,
    found: impl FnOnce(&Published) -> Result<Founder, E>,
) -> Result<Published, E> {
    begin(storage.as_ref())?;
    check_rules(node)?;
    let progress = load_progress(node)?;
    let (progress, last) = copy(storage.as_ref(), |visit| {
        for column in [Column::Rows, Column::Documents, Column::Events] {
            for pair in node.scan(column, &KeyRange::all(), Order::Ascending) {
                let (key, value) = pair?;
                visit(column, &key, &value)?;
            }
        }
        Ok(progress)
    })?;
    let (published, row_hashes) = loaded(storage.as_ref(), &progress, last)?;
    let (published, term) = apply_all(storage.as_ref(), node, published, row_hashes)?;
    // The log of such a node has indexes that the former cluster never had. The last one that it had would be lost.
    if stored(node)?.is_some_and(|history| history.is_to_begin(&published.state)) {
        return Err(E::from(StoreError::NewHistory(
            "the node was built for one that it has not begun: start it with the addresses that it was built for".into(),
        )));
    }
    let founder = found(&published)?;
    Ok(finish(storage, published, &founder, ResetKind::Recovered, term)?)
}

/// Checks that no restore and no recovery was interrupted while it built this storage.
///
/// # Errors
/// [`StoreError::Unfinished`].
pub(crate) fn check_is_finished(reader: &dyn Reader) -> Result<(), StoreError> {
    match reader.get(Column::Meta, meta::BUILDING)? {
        Some(_) => Err(StoreError::Unfinished),
        None => Ok(()),
    }
}

/// The new history that the node of this storage has to begin, or has begun.
///
/// # Errors
/// If the device fails or the record is damaged.
pub(crate) fn stored(reader: &(impl Reader + ?Sized)) -> Result<Option<NewHistory>, StoreError> {
    read_meta(reader, Kind::NEW_HISTORY, meta::NEW_HISTORY)
}

fn begin(storage: &dyn Storage) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Column::Meta, meta::BUILDING, record::encode(Kind::BUILDING, &()));
    storage.write(batch)?;
    storage.flush()
}

/// Writes the last batch of a copy, and loads the state, which checks that its rows are those of the source.
fn loaded(
    storage: &dyn Storage,
    progress: &Progress,
    last: Batch,
) -> Result<(Published, RowHashes), StoreError> {
    storage.write(last)?;
    let (published, row_hashes) = load(storage)?;
    if published.progress != *progress {
        return Err(StoreError::Inconsistent("the copy is not what was copied".into()));
    }
    Ok((published, row_hashes))
}

/// Applies the entries that follow a state. Returns the state after the last one, and the highest term of the node.
fn apply_all(
    storage: &dyn Storage,
    node: &dyn Reader,
    mut published: Published,
    mut row_hashes: RowHashes,
) -> Result<(Published, u64), StoreError> {
    let mut waiting = Vec::new();
    let mut bytes = 0;
    // Nobody asks how long it takes: there is no node.
    let stats = ApplyStats::default();
    let mut apply = |entries: &mut Vec<_>, published: &mut Published| {
        let mut step = Step::begin(storage, nexus_domain::apply, &mut row_hashes, published.clone(), &stats);
        for entry in entries.drain(..) {
            step.apply(entry)?;
        }
        let (batch, after, _) = step.finish();
        storage.write(batch)?;
        *published = after;
        Ok::<(), StoreError>(())
    };
    let ends = read_log(node, &mut |entry, length| {
        if published.applied().is_some_and(|applied| entry.log_id.index <= applied.index) {
            return Ok(());
        }
        bytes += length;
        waiting.push(entry);
        if bytes >= STEP_BYTES {
            bytes = 0;
            apply(&mut waiting, &mut published)?;
        }
        Ok(())
    })?;
    if !waiting.is_empty() {
        apply(&mut waiting, &mut published)?;
    }
    let terms = [published.applied(), ends.last].map(|log_id| log_id.map_or(0, |id| id.leader_id.term));
    let voted = ends.vote.map_or(0, |vote| vote.leader_id.term);
    Ok((published, terms.into_iter().fold(voted, u64::max)))
}

/// Makes the node the only member, and removes the mark with everything else that a node has to have.
fn finish(
    storage: &Arc<dyn Storage>,
    before: Published,
    founder: &Founder,
    kind: ResetKind,
    term: u64,
) -> Result<Published, StoreError> {
    let Founder { cluster, first, node, member, identity } = founder;
    let former = before.state.origin().map(|origin| origin.cluster);
    // A node tells by the id whether the new history has begun. The former one's would silently skip the reset.
    if former == Some(*cluster) || cluster.0.is_nil() {
        return Err(StoreError::NewHistory(format!("{cluster} is not the id of a new cluster")));
    }
    let through = before.revision();
    if first.0 <= through.0 + 1 {
        return Err(StoreError::Inconsistent(format!("a history after {through} cannot begin at {first}")));
    }
    let leader_id = LeaderId { term: term + 1, node_id: *node };
    let last = LogId::new(leader_id, first.0 - 1);
    let membership = Membership::new(vec![[*node].into()], BTreeMap::from([(*node, member.clone())]))
        .map_err(|error| StoreError::Inconsistent(error.to_string()))?;
    let Published { state, progress } = before;
    let membership = StoredMembership::new(Some(last), membership);
    let progress = Progress { applied: Some(last), membership, ..progress };

    // Nodes that join begin with this snapshot: the log has no entry before it.
    let mut written = Ok(());
    let snapshot_dir = SnapshotDir::open(storage.as_ref())?;
    storage.with_view(&mut |view| written = build::write(view, &snapshot_dir, &progress).map(|_| ()));
    written?;

    let mut batch = Batch::new();
    begin_log(storage.folder().as_ref(), &mut batch, last, Vote::from_leader_id(leader_id, false))?;
    batch.put(Column::Meta, meta::PROGRESS, encode_progress(&progress));
    batch.put(Column::Meta, meta::IDENTITY, record::seal(Kind::IDENTITY, identity));
    let history = NewHistory { cluster: *cluster, through, kind };
    batch.put(Column::Meta, meta::NEW_HISTORY, record::encode(Kind::NEW_HISTORY, &history));
    batch.delete(Column::Meta, meta::BUILDING);
    // Everything else has to be durable before the mark is gone.
    storage.flush()?;
    storage.write(batch)?;
    storage.flush()?;
    Ok(Published { state, progress })
}
