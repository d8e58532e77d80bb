//! The state machine behind openraft's trait: it applies entries, and builds and installs snapshots. It replies only
//! after the write: a crash must not take a reply back.

use crate::{
    blocking,
    error::StoreError,
    fatal::Fatal,
    machine::{
        ApplyStats, HashHistory, Published,
        apply::{Rules, Step},
        load::load,
        row_hashes::RowHashes,
    },
    snapshot::{SnapshotBuilder, SnapshotDir, SnapshotFile, install},
    storage::Storage,
    types::{Applied, LogId, SnapshotMeta, StoredMembership, TypeConfig},
};
use futures::{Stream, StreamExt};
use nexus_domain::{Proposal, Revision, State};
use openraft::{
    OptionalSend, Snapshot,
    alias::SnapshotOf,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::watch, time::Instant};

/// Entries in one batch. The clients of all of them wait until the last one is written.
const MAX_ENTRIES: usize = 256;
/// The approximate bytes of one batch, so that a follower which catches up needs no more memory than others.
const MAX_BYTES: usize = 4 << 20;

/// The state machine of this node. There is one, which Raft owns.
pub struct StateMachine {
    storage: Arc<dyn Storage>,
    rules: Rules,
    fatal: Fatal,
    snapshot_dir: Arc<SnapshotDir>,
    published: watch::Sender<Arc<Published>>,
    row_hashes: RowHashes,
    defers_snapshots: Arc<AtomicBool>,
    hash_history: Arc<HashHistory>,
    stats: Arc<ApplyStats>,
}

impl StateMachine {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        fatal: Fatal,
        snapshot_dir: Arc<SnapshotDir>,
        published: watch::Sender<Arc<Published>>,
        row_hashes: RowHashes,
        defers_snapshots: Arc<AtomicBool>,
        hash_history: Arc<HashHistory>,
    ) -> Self {
        let rules = nexus_domain::apply;
        Self {
            storage,
            rules,
            fatal,
            snapshot_dir,
            published,
            row_hashes,
            defers_snapshots,
            hash_history,
            stats: Arc::default(),
        }
    }

    /// Statistics of applied entries.
    pub fn apply_stats(&self) -> Arc<ApplyStats> {
        self.stats.clone()
    }

    /// Replaces the rules, for tests of faulty ones.
    #[doc(hidden)]
    #[must_use]
    pub fn with_rules(mut self, rules: fn(&mut State, Revision, &Proposal) -> nexus_domain::Applied) -> Self {
        self.rules = rules;
        self
    }

    /// Rebuilds the state from storage, and compares it with the one in memory.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] if they differ, or an error of [`load`].
    pub fn verify(&self) -> Result<(), StoreError> {
        let (reloaded, _) = load(self.storage.as_ref())?;
        if reloaded == **self.published.borrow() {
            Ok(())
        } else {
            let revision = reloaded.revision();
            Err(StoreError::Inconsistent(format!(
                "the state of revision {revision} is not what its rows make"
            )))
        }
    }

    fn latest(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    async fn apply_all<S>(&mut self, mut entries: S) -> Result<(), StoreError>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let Self { storage, rules, published, row_hashes, hash_history, stats, .. } = self;
        let latest = |published: &watch::Sender<Arc<Published>>| Published::clone(&published.borrow());
        let mut step = Step::begin(storage.as_ref(), *rules, row_hashes, latest(published), stats);
        let mut replies = Vec::new();
        let mut began = None;
        while let Some(item) = entries.next().await {
            let (entry, responder) =
                item.map_err(|error| StoreError::from_io("reading committed entries", &error))?;
            let first_began = *began.get_or_insert_with(Instant::now);
            let reply = step.apply(entry)?;
            replies.push((responder, reply));
            if replies.len() >= MAX_ENTRIES || step.bytes() >= MAX_BYTES {
                commit(storage.as_ref(), published, hash_history, step, &mut replies)?;
                stats.latency().record(first_began.elapsed());
                began = None;
                step = Step::begin(storage.as_ref(), *rules, row_hashes, latest(published), stats);
            }
        }
        if let Some(began) = began {
            commit(storage.as_ref(), published, hash_history, step, &mut replies)?;
            stats.latency().record(began.elapsed());
        }
        Ok(())
    }

    async fn install(&mut self, meta: &SnapshotMeta, file: SnapshotFile) -> Result<(), StoreError> {
        let applied = self.latest().applied();
        if meta.last_log_id < applied {
            return Err(StoreError::Snapshot("it covers less than is applied already".into()));
        }
        let (storage, snapshot_dir, meta) = (self.storage.clone(), self.snapshot_dir.clone(), meta.clone());
        let work = move || install::install(storage.as_ref(), &snapshot_dir, &meta, &file);
        let (installed, row_hashes) = blocking::run(self.storage.may_block(), work).await?;
        self.row_hashes = row_hashes;
        self.hash_history.extend([(installed.revision().0, installed.hash())]);
        self.published.send_replace(Arc::new(installed));
        Ok(())
    }

    fn fail(&self, error: StoreError) -> io::Error {
        self.fatal.raise(error).into()
    }
}

/// Writes a step, publishes its state, then answers its clients.
fn commit(
    storage: &dyn Storage,
    published: &watch::Sender<Arc<Published>>,
    hash_history: &HashHistory,
    step: Step<'_>,
    replies: &mut Vec<(Option<ApplyResponder<TypeConfig>>, Applied)>,
) -> Result<(), StoreError> {
    let (batch, after, hashes) = step.finish();
    storage.write(batch)?;
    hash_history.extend(hashes);
    published.send_replace(Arc::new(after));
    for (responder, reply) in replies.drain(..) {
        if let Some(responder) = responder {
            responder.send(reply);
        }
    }
    Ok(())
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let latest = self.latest();
        Ok((latest.applied(), latest.membership().clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        self.fatal.check()?;
        self.apply_all(entries).await.map_err(|error| self.fail(error))
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        if !force && (self.defers_snapshots.load(Ordering::Relaxed) || self.snapshot_dir.is_building()) {
            return None;
        }
        // No entry is applied while this runs, so the view and the progress belong to the same entry.
        let progress = self.latest().progress.clone();
        Some(SnapshotBuilder::begin(&self.storage, &self.snapshot_dir, progress).await)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        self.try_create_snapshot_builder(true)
            .await
            .expect("a builder that is asked for with force is always made")
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        self.fatal.check()?;
        self.install(meta, snapshot).await.map_err(|error| self.fail(error))
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFile>>, io::Error> {
        Ok(self.snapshot_dir.current().map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}
