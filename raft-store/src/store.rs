//! Opens a node's store, and serves reads beside Raft. Nothing here writes what Raft writes.

use crate::{
    blocking::{self, ReadQueue},
    error::{Quarantined, StoreError},
    fatal::Fatal,
    history::StoredEvent,
    keys::{self, meta},
    log::{FlushStats, LogStore},
    machine::{
        ApplyStats, HashHistory, Published,
        load::{check_rules, load, load_progress},
    },
    record::{self, Kind, RecordError},
    scrub::{Scrubbed, scrub},
    snapshot::{Backup, NewHistory, SnapshotDir, SnapshotReceiver, install, new_history},
    state_machine::StateMachine,
    storage::{Batch, Column, KeyRange, Order, Reader, Released, Rocks, SpaceUsage, Storage, TrackedStorage},
};
use nexus_domain::{
    Document, DocumentKey, ProjectId, Recorded, Revision, State,
    entity::{Feature, FeatureLists},
};
use openraft::storage::RaftLogStorage;
use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// Opens the store in a data folder.
///
/// # Errors
/// The same as [`open`].
pub async fn open_folder(dir: &Path) -> Result<(LogStore, StateMachine, StoreHandle), StoreError> {
    let dir = dir.to_owned();
    let storage = blocking::run(true, move || Rocks::open(&dir)).await?;
    open(Arc::new(storage)).await
}

/// Opens the store on a storage: checks the log, finishes an interrupted install of a snapshot, and rebuilds the state
/// from its rows.
///
/// # Errors
/// [`StoreError::Unfinished`] if a restore was interrupted while it built the storage,
/// [`StoreError::Quarantined`] if the node has lost something that it had acknowledged, [`StoreError::Corrupt`] or
/// [`StoreError::Inconsistent`] if records are damaged, and other errors if the device fails.
pub async fn open(storage: Arc<dyn Storage>) -> Result<(LogStore, StateMachine, StoreHandle), StoreError> {
    let (storage, released) = TrackedStorage::new(storage);
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let fatal = Fatal::new();
    let may_block = storage.may_block();
    let (opened, raised) = (storage.clone(), fatal.clone());
    let (mut log, snapshot_dir, (published, row_hashes)) = blocking::run(may_block, move || {
        new_history::check_is_finished(opened.as_ref())?;
        check_rules(opened.as_ref())?;
        let log = LogStore::open(&opened, &raised)?;
        let snapshot_dir = SnapshotDir::open(opened.as_ref())?;
        install::resume(opened.as_ref(), &snapshot_dir)?;
        let published = load(opened.as_ref())?;
        Ok((log, snapshot_dir, published))
    })
    .await?;
    check_coverage(&mut log, &snapshot_dir, &published).await?;

    let snapshot_dir = Arc::new(snapshot_dir);
    let published = watch::Sender::new(Arc::new(published));
    let defers_snapshots = Arc::new(AtomicBool::new(false));
    let hash_history = Arc::new(HashHistory::default());
    hash_history.extend([(published.borrow().revision().0, published.borrow().hash())]);
    let receiver = published.subscribe();
    let machine = StateMachine::new(
        storage.clone(),
        fatal.clone(),
        snapshot_dir.clone(),
        published,
        row_hashes,
        defers_snapshots.clone(),
        hash_history.clone(),
    );
    let handle = StoreHandle(Arc::new(Shared {
        storage,
        fatal,
        snapshot_dir,
        published: receiver,
        flush_stats: log.flush_stats(),
        apply_stats: machine.apply_stats(),
        defers_snapshots,
        hash_history,
        reads: ReadQueue::default(),
        released,
    }));
    Ok((log, machine, handle))
}

/// Checks that the log begins where the state, or the snapshot that it is rebuilt from, ends.
async fn check_coverage(
    log: &mut LogStore,
    snapshot_dir: &SnapshotDir,
    published: &Published,
) -> Result<(), StoreError> {
    let state =
        log.get_log_state().await.map_err(|error| StoreError::from_io("reading the log's ends", &error))?;
    let snapshot = snapshot_dir.current().and_then(|(covered, _)| covered.last_log_id);
    let reached = published.applied().max(snapshot);
    match state.last_purged_log_id {
        Some(purged) if reached.map(|log_id| log_id.index) < Some(purged.index) => {
            Err(Quarantined::because(format!(
                "its log begins after {purged}, but its state ends at {}",
                reached.map_or("nothing".into(), |log_id| log_id.to_string())
            )))
        }
        _ => Ok(()),
    }
}

/// A handle with which the rest of the node reads from the store. It is cheap to clone.
#[derive(Clone)]
pub struct StoreHandle(Arc<Shared>);

struct Shared {
    storage: Arc<dyn Storage>,
    fatal: Fatal,
    snapshot_dir: Arc<SnapshotDir>,
    published: watch::Receiver<Arc<Published>>,
    flush_stats: Arc<FlushStats>,
    apply_stats: Arc<ApplyStats>,
    defers_snapshots: Arc<AtomicBool>,
    hash_history: Arc<HashHistory>,
    reads: ReadQueue,
    released: Released,
}

/// The bytes of the stored events of one page, which a reader holds in memory. An event is at most about a MiB.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// Events of other projects that the scan for one page skips: some milliseconds.
const MAX_SKIPPED: usize = 16_384;
/// This many bytes of a large skipped event count as one more event.
const BYTES_PER_SKIPPED_EVENT: usize = 4_096;

/// A page of the event history.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsPage {
    /// The events in order. A page never ends within a revision.
    pub events: Vec<Recorded>,
    /// The revision that the next page begins at. The page has every requested event before it.
    pub next: Revision,
    /// Whether more events may be applied already.
    pub has_more: bool,
    /// The first revision whose events are certainly stored. A page that was requested from before it may lack events,
    /// and its reader has to start over.
    pub oldest: Revision,
}

impl StoreHandle {
    /// A receiver of every published state. A published state is always written already.
    pub fn published(&self) -> watch::Receiver<Arc<Published>> {
        self.0.published.clone()
    }

    /// The latest published state.
    pub fn latest(&self) -> Arc<Published> {
        self.0.published.borrow().clone()
    }

    /// A receiver of the failure that stops the store. Once there is one, the process should end.
    pub fn fatal(&self) -> watch::Receiver<Option<StoreError>> {
        self.0.fatal.watch()
    }

    /// Statistics of the log's flushes.
    pub fn flush_stats(&self) -> Arc<FlushStats> {
        self.0.flush_stats.clone()
    }

    /// Statistics of applied entries.
    pub fn apply_stats(&self) -> Arc<ApplyStats> {
        self.0.apply_stats.clone()
    }

    /// Defers the snapshots that only keep the log short, while the disk is nearly full. A snapshot that a follower
    /// needs is built nevertheless.
    pub fn defer_snapshots(&self, defer: bool) {
        self.0.defers_snapshots.store(defer, Ordering::Relaxed);
    }

    /// The state's hash after an entry; `None` if the entry is too old, or not yet applied.
    pub fn hash_at(&self, index: u64) -> Option<u64> {
        self.0.hash_history.at(index)
    }

    /// Reads everything that is stored, slowly, and compares the rows with the state in memory. Takes seconds to hours,
    /// and ends early once `stop` is set or the store has stopped.
    ///
    /// # Errors
    /// The damage that it finds, which [`StoreError::is_damage`] tells from a device that fails and from a stop.
    pub async fn scrub(&self, stop: Arc<AtomicBool>) -> Result<Scrubbed, StoreError> {
        let (storage, published, fatal) =
            (self.0.storage.clone(), self.0.published.clone(), self.0.fatal.clone());
        let work = move || {
            let is_stopped = || stop.load(Ordering::Relaxed) || fatal.check().is_err();
            scrub(storage.as_ref(), &published, &is_stopped)
        };
        blocking::run(self.0.storage.may_block(), work).await
    }

    /// The number of snapshots that failed for lack of space since the store was opened.
    pub fn failed_snapshots(&self) -> u64 {
        self.0.snapshot_dir.failures()
    }

    /// Reads one document.
    ///
    /// # Errors
    /// If the device fails or the document is damaged.
    pub async fn document(&self, key: DocumentKey) -> Result<Option<Document>, StoreError> {
        self.read(move |storage| {
            let key = keys::document(&key);
            let value = storage.get(Column::Documents, &key)?;
            value.map(|value| read_document(&key, &value)).transpose()
        })
        .await
    }

    /// Reads documents by their keys, in the order of the keys.
    ///
    /// # Errors
    /// When the device fails or a document is damaged.
    pub async fn documents_at(&self, keys: Vec<DocumentKey>) -> Result<Vec<Option<Document>>, StoreError> {
        if let Some(found) = self.cached_documents(&keys) {
            return found;
        }
        self.read(move |storage| {
            let read = |key: &DocumentKey| {
                let key = keys::document(key);
                let value = storage.get(Column::Documents, &key)?;
                value.map(|value| read_document(&key, &value)).transpose()
            };
            keys.iter().map(read).collect()
        })
        .await
    }

    /// Reads a few documents from memory, where new ones and those that are read often are, without a blocking thread.
    /// `None` if there are many, or if one of them is not in memory.
    fn cached_documents(&self, keys: &[DocumentKey]) -> Option<Result<Vec<Option<Document>>, StoreError>> {
        /// More documents than these would keep an async worker busy.
        const FEW: usize = 4;
        if keys.len() > FEW {
            return None;
        }
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let key = keys::document(key);
            let value = self.0.storage.get_cached(Column::Documents, &key)?;
            match value.map(|value| read_document(&key, &value)).transpose() {
                Ok(document) => found.push(document),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(found))
    }

    /// Reads documents of one kind, newest first. The range has the lowest and the highest wanted key; `MIN` and `MAX`
    /// of the ids make it wide.
    ///
    /// # Errors
    /// When the device fails or a document is damaged.
    pub async fn documents(
        &self,
        range: RangeInclusive<DocumentKey>,
        limit: usize,
    ) -> Result<Vec<(DocumentKey, Document)>, StoreError> {
        self.read(move |storage| {
            let mut end = keys::document(range.end());
            // The range ends with the key right after the last one.
            end.push(0);
            let range = KeyRange::between(keys::document(range.start()), end);
            let mut found = Vec::new();
            for pair in storage.scan(Column::Documents, &range, Order::Descending).take(limit) {
                let (key, value) = pair?;
                let name = keys::read_document(&key).ok_or_else(|| {
                    StoreError::Inconsistent("a document has a key of no known kind".into())
                })?;
                found.push((name, read_document(&key, &value)?));
            }
            Ok(found)
        })
        .await
    }

    /// Reads events of all projects from a revision on, up to the published one. The page ends after `limit` events or
    /// [`MAX_PAGE_BYTES`], with the rest of the last revision.
    ///
    /// # Errors
    /// If the device fails or an event is damaged, and while a snapshot replaces the history.
    pub async fn events(&self, from: Revision, limit: usize) -> Result<EventsPage, StoreError> {
        self.events_where(None, from, limit, MAX_PAGE_BYTES).await
    }

    /// Reads events of one project, like [`events`](Self::events), in a page of at most `max_bytes`. The events of
    /// other projects are skipped unread; after [`MAX_SKIPPED`] of them the page ends, empty or not.
    ///
    /// # Errors
    /// The same as [`events`](Self::events).
    pub async fn events_of(
        &self,
        project: ProjectId,
        from: Revision,
        limit: usize,
        bytes: usize,
    ) -> Result<EventsPage, StoreError> {
        self.events_where(Some(project), from, limit, bytes.min(MAX_PAGE_BYTES)).await
    }

    async fn events_where(
        &self,
        project: Option<ProjectId>,
        from: Revision,
        limit: usize,
        max_bytes: usize,
    ) -> Result<EventsPage, StoreError> {
        let latest = self.latest();
        let through = latest.revision();
        // One view for all: a snapshot that is installed meanwhile must not look like a gap.
        self.read_at_once(move |view| {
            if view.get(Column::Meta, meta::INSTALLING)?.is_some() {
                return Err(StoreError::Snapshot("it is being installed: the history comes with it".into()));
            }
            let end = Revision(through.0.saturating_add(1)).max(from);
            let range = KeyRange::between(keys::events_of(from), keys::events_of(end));
            let mut page = EventsPage { events: Vec::new(), next: end, has_more: false, oldest: Revision(0) };
            let (mut at, mut bytes, mut skipped) = (None, 0, 0);
            for pair in view.scan(Column::Events, &range, Order::Ascending) {
                let (key, value) = pair?;
                let corrupt = |cause| StoreError::corrupt(Column::Events, &key, cause);
                let (revision, of) = keys::read_event(&key)
                    .ok_or_else(|| corrupt(RecordError::Payload("this is no key of an event".to_owned())))?;
                let is_full = page.events.len() >= limit || bytes >= max_bytes || skipped >= MAX_SKIPPED;
                if is_full && at.is_some_and(|at| at < revision) {
                    (page.next, page.has_more) = (revision, true);
                    break;
                }
                at = Some(revision);
                if project.is_some_and(|project| project != of) {
                    skipped += 1 + value.len() / BYTES_PER_SKIPPED_EVENT;
                    continue;
                }
                bytes += value.len();
                let stored: StoredEvent<'_> = record::decode(Kind::EVENT, &value).map_err(corrupt)?;
                let mut event = stored.event.into_owned();
                if let Some(feature) = event.event.feature_mut() {
                    complete(view, &latest.state, Arc::make_mut(feature))?;
                    // With the lists, as the reader will show it.
                    bytes += feature.list_bytes();
                }
                page.events.push(event);
            }
            page.oldest = load_progress(view)?.oldest_events;
            Ok(page)
        })
        .await
    }

    /// The node's own identity; `None` in a new data folder.
    ///
    /// # Errors
    /// If the device fails or the record is damaged.
    pub async fn identity(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|storage| match storage.get(Column::Meta, meta::IDENTITY)? {
            None => Ok(None),
            Some(value) => record::open(Kind::IDENTITY, &value)
                .map(|identity| Some(identity.to_vec()))
                .map_err(|cause| StoreError::corrupt(Column::Meta, meta::IDENTITY, cause)),
        })
        .await
    }

    /// The new history that this node has to begin, or has begun; `None` if the folder was neither restored nor
    /// recovered.
    ///
    /// # Errors
    /// If the device fails or the record is damaged.
    pub async fn new_history(&self) -> Result<Option<NewHistory>, StoreError> {
        self.read(|storage| new_history::stored(storage)).await
    }

    /// Stores the node's own identity, durably.
    ///
    /// # Errors
    /// If the device fails. Then the store has stopped.
    pub async fn save_identity(&self, identity: &[u8]) -> Result<(), StoreError> {
        self.0.fatal.check()?;
        let (storage, value) = (self.0.storage.clone(), record::seal(Kind::IDENTITY, identity));
        let work = move || {
            let mut batch = Batch::new();
            batch.put(Column::Meta, meta::IDENTITY, value);
            storage.write(batch)?;
            storage.flush()
        };
        blocking::run(self.0.storage.may_block(), work).await.map_err(|error| self.0.fatal.raise(error))
    }

    /// Begins to receive a snapshot of this many bytes.
    ///
    /// # Errors
    /// If the device fails or is full.
    pub async fn begin_receiving(&self, length: u64) -> Result<SnapshotReceiver, StoreError> {
        SnapshotReceiver::begin(&self.0.snapshot_dir, length).await
    }

    /// The current snapshot as a backup; `None` before the first one.
    pub fn backup(&self) -> Option<Backup> {
        let (covered, snapshot) = self.0.snapshot_dir.current()?;
        Some(Backup::new(Revision(covered.last_log_id?.index), snapshot))
    }

    /// The length of the current snapshot in bytes.
    pub fn snapshot_bytes(&self) -> Option<u64> {
        self.0.snapshot_dir.current().map(|(_, file)| file.length())
    }

    /// The space in use, without snapshots.
    ///
    /// # Errors
    /// If the blocking thread fails.
    pub async fn usage(&self) -> Result<SpaceUsage, StoreError> {
        let storage = self.0.storage.clone();
        self.0.reads.run(storage.may_block(), move || Ok(storage.usage())).await
    }

    /// Waits until the data folder can be opened again: until the log, its readers, the state machine and all other
    /// handles are dropped, and the storage is closed.
    pub async fn released(self) {
        let mut released = self.0.released.clone();
        drop(self);
        while released.changed().await.is_ok() {}
    }

    async fn read_at_once<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let storage = self.0.storage.clone();
        let looked = move || {
            let (mut work, mut done) = (Some(work), None);
            storage.with_view(&mut |view| done = work.take().map(|work| work(view)));
            done.expect("a view is looked at once")
        };
        self.0.reads.run(self.0.storage.may_block(), looked).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let storage = self.0.storage.clone();
        self.0.reads.run(storage.may_block(), move || work(storage.as_ref())).await
    }
}

fn read_document(key: &[u8], value: &[u8]) -> Result<Document, StoreError> {
    record::decode(Kind::DOCUMENT, value).map_err(|cause| StoreError::corrupt(Column::Documents, key, cause))
}

/// Restores the former lists of the feature in a past event: those of the state, if they are the same, or those of
/// the document that was written when they were replaced. A deleted feature has no lists any more.
fn complete(view: &dyn Reader, state: &State, feature: &mut Feature) -> Result<(), StoreError> {
    let (project, id, at) = (feature.project, feature.id, feature.lists_at);
    if let Some(today) = state.feature(project, id).filter(|today| today.lists_at == at) {
        feature.set_lists(today.lists());
        return Ok(());
    }
    let key = keys::document(&DocumentKey::Lists(project, id, at));
    if let Some(value) = view.get(Column::Documents, &key)? {
        let document = record::decode(Kind::DOCUMENT, &value)
            .map_err(|cause| StoreError::corrupt(Column::Documents, &key, cause))?;
        if let Document::Lists(lists) = document {
            feature.set_lists(FeatureLists::clone(&lists));
        }
    }
    Ok(())
}
