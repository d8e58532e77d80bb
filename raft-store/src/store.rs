//! Opens a node's store, and reads from it beside Raft. Never writes what Raft writes.

use crate::{
    blocking::{self, ReadQueue},
    error::{Quarantined, StoreError},
    fatal::Fatal,
    history::StoredEvent,
    keys::{self, meta},
    log::{FlushStats, LogStore},
    machine::{
        HashHistory, Published, StateMachine,
        load::{check_rules, load, load_progress},
    },
    record::{self, Kind, RecordError},
    snapshot::{Backup, SnapshotDir, SnapshotReceiver, install},
    storage::{Batch, Column, KeyRange, Leased, Order, Reader, Released, Rocks, Storage, Usage},
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
/// As [`open`].
pub async fn open_folder(dir: &Path) -> Result<(LogStore, StateMachine, StoreHandle), StoreError> {
    let dir = dir.to_owned();
    let storage = blocking::run(true, move || Rocks::open(&dir)).await?;
    open(Arc::new(storage)).await
}

/// Opens the store on a storage: checks the log, finishes an interrupted install, and makes the
/// state anew from its rows.
///
/// # Errors
/// [`StoreError::Quarantined`] when the node has forgotten something that it promised,
/// [`StoreError::Corrupt`] or [`StoreError::Inconsistent`] when records are damaged, and when the
/// device fails.
pub async fn open(storage: Arc<dyn Storage>) -> Result<(LogStore, StateMachine, StoreHandle), StoreError> {
    let (storage, released) = Leased::new(storage);
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let fatal = Fatal::new();
    let may_block = storage.may_block();
    let (opened, raised) = (storage.clone(), fatal.clone());
    let (mut log, snapshot_dir, (published, row_hashes)) = blocking::run(may_block, move || {
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
    let handle = StoreHandle(Arc::new(Shared {
        storage: storage.clone(),
        fatal: fatal.clone(),
        snapshot_dir: snapshot_dir.clone(),
        published: published.subscribe(),
        flush_stats: log.flush_stats(),
        defers_snapshots: defers_snapshots.clone(),
        hash_history: hash_history.clone(),
        reads: ReadQueue::default(),
        released,
    }));
    let machine = StateMachine::new(
        storage,
        fatal,
        snapshot_dir,
        published,
        row_hashes,
        defers_snapshots,
        hash_history,
    );
    Ok((log, machine, handle))
}

/// The log must begin where the state, or the snapshot that can make it, ends.
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

/// What the rest of the node reads from the store. Cheap to clone.
#[derive(Clone)]
pub struct StoreHandle(Arc<Shared>);

struct Shared {
    storage: Arc<dyn Storage>,
    fatal: Fatal,
    snapshot_dir: Arc<SnapshotDir>,
    published: watch::Receiver<Arc<Published>>,
    flush_stats: Arc<FlushStats>,
    defers_snapshots: Arc<AtomicBool>,
    hash_history: Arc<HashHistory>,
    reads: ReadQueue,
    released: Released,
}

/// Bytes of the stored events of one page: what a reader holds in memory. An event is at most about a MiB.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// Events of other projects that are passed by for one page: some milliseconds.
const MAX_PASSED: usize = 16_384;
/// Each so many bytes of a large one count as one more.
const BYTES_PASSED_AS_ONE: usize = 4_096;

/// Some of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsPage {
    /// Events in order; never part of a revision.
    pub events: Vec<Recorded>,
    /// Where the next page begins: everything before it that was asked for is in this page.
    pub next: Revision,
    /// Whether there may be more that is applied already.
    pub has_more: bool,
    /// Events of earlier revisions may be gone. A page that was asked for from before it may lack
    /// some: its reader has to start over.
    pub oldest: Revision,
}

impl StoreHandle {
    /// Follows the state: what is seen here is written.
    pub fn published(&self) -> watch::Receiver<Arc<Published>> {
        self.0.published.clone()
    }

    /// The state right now.
    pub fn latest(&self) -> Arc<Published> {
        self.0.published.borrow().clone()
    }

    /// The failure that stopped the store; once there is one, the process should end.
    pub fn fatal(&self) -> watch::Receiver<Option<StoreError>> {
        self.0.fatal.watch()
    }

    /// How flushing goes.
    pub fn flush_stats(&self) -> Arc<FlushStats> {
        self.0.flush_stats.clone()
    }

    /// Puts off snapshots that are made only to keep the log short, for as long as the disk is
    /// nearly full. One that a follower needs is made nevertheless.
    pub fn defer_snapshots(&self, defer: bool) {
        self.0.defers_snapshots.store(defer, Ordering::Relaxed);
    }

    /// The state's hash right after an entry; none when that is too long ago, or still to come.
    pub fn hash_at(&self, index: u64) -> Option<u64> {
        self.0.hash_history.at(index)
    }

    /// Snapshots that could not be made for want of space, since the store was opened.
    pub fn failed_snapshots(&self) -> u64 {
        self.0.snapshot_dir.failures()
    }

    /// Reads one document.
    ///
    /// # Errors
    /// When the device fails or the document is damaged.
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
        if let Some(found) = self.documents_at_hand(&keys) {
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

    /// A few documents that are in memory: what was just written, or is read often, needs no thread
    /// of its own. None when there are many or when one would have to be fetched.
    fn documents_at_hand(&self, keys: &[DocumentKey]) -> Option<Result<Vec<Option<Document>>, StoreError>> {
        /// More than these would keep an async worker busy.
        const FEW: usize = 4;
        if keys.len() > FEW {
            return None;
        }
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let key = keys::document(key);
            let value = self.0.storage.get_at_hand(Column::Documents, &key)?;
            match value.map(|value| read_document(&key, &value)).transpose() {
                Ok(document) => found.push(document),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(found))
    }

    /// Reads documents of one kind, newest first. The range goes from the lowest key that is wanted
    /// to the highest; `MIN` and `MAX` of the ids make it wide.
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
            // The key right after the last one.
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

    /// Reads events of all projects from a revision on, up to the published one: `limit`, or [`MAX_PAGE_BYTES`],
    /// and then the rest of the last revision.
    ///
    /// # Errors
    /// When the device fails or an event is damaged, and while a snapshot takes the place of the
    /// history.
    pub async fn events(&self, from: Revision, limit: usize) -> Result<EventsPage, StoreError> {
        self.events_where(None, from, limit, MAX_PAGE_BYTES).await
    }

    /// The same of one project, of fewer bytes where that is asked for. Those of others are passed by unread; after
    /// [`MAX_PASSED`] of them the page ends, empty or not.
    ///
    /// # Errors
    /// Those of [`events`](Self::events).
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
        // All of one moment: a snapshot that is installed meanwhile must not look like a gap.
        self.read_at_once(move |view| {
            if view.get(Column::Meta, meta::INSTALLING)?.is_some() {
                return Err(StoreError::Snapshot("it is being installed: the history comes with it".into()));
            }
            let end = Revision(through.0.saturating_add(1)).max(from);
            let range = KeyRange::between(keys::events_of(from), keys::events_of(end));
            let mut page = EventsPage { events: Vec::new(), next: end, has_more: false, oldest: Revision(0) };
            let (mut at, mut bytes, mut passed) = (None, 0, 0);
            for pair in view.scan(Column::Events, &range, Order::Ascending) {
                let (key, value) = pair?;
                let corrupt = |cause| StoreError::corrupt(Column::Events, &key, cause);
                let (revision, of) = keys::read_event(&key)
                    .ok_or_else(|| corrupt(RecordError::Payload("this is no key of an event".to_owned())))?;
                let is_full = page.events.len() >= limit || bytes >= max_bytes || passed >= MAX_PASSED;
                if is_full && at.is_some_and(|at| at < revision) {
                    (page.next, page.has_more) = (revision, true);
                    break;
                }
                at = Some(revision);
                if project.is_some_and(|project| project != of) {
                    passed += 1 + value.len() / BYTES_PASSED_AS_ONE;
                    continue;
                }
                bytes += value.len();
                let stored: StoredEvent<'_> = record::decode(Kind::EVENT, &value).map_err(corrupt)?;
                let mut event = stored.event.into_owned();
                if let Some(feature) = event.event.feature_mut() {
                    complete(view, &latest.state, Arc::make_mut(feature))?;
                    // As whoever shows it has it before them.
                    bytes += feature.list_bytes();
                }
                page.events.push(event);
            }
            page.oldest = load_progress(view)?.oldest_events;
            Ok(page)
        })
        .await
    }

    /// What the node keeps about itself; none in a new data folder.
    ///
    /// # Errors
    /// When the device fails or the record is damaged.
    pub async fn identity(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|storage| match storage.get(Column::Meta, meta::IDENTITY)? {
            None => Ok(None),
            Some(value) => record::open(Kind::IDENTITY, &value)
                .map(|identity| Some(identity.to_vec()))
                .map_err(|cause| StoreError::corrupt(Column::Meta, meta::IDENTITY, cause)),
        })
        .await
    }

    /// Keeps what the node knows about itself; durable on return.
    ///
    /// # Errors
    /// When the device fails; the store has then stopped.
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

    /// Begins to receive a snapshot of so many bytes.
    ///
    /// # Errors
    /// When the device fails or is full.
    pub async fn begin_receiving(&self, length: u64) -> Result<SnapshotReceiver, StoreError> {
        SnapshotReceiver::begin(&self.0.snapshot_dir, length).await
    }

    /// The current snapshot as a backup; none before the first one.
    pub fn backup(&self) -> Option<Backup> {
        let (covered, snapshot) = self.0.snapshot_dir.current()?;
        Some(Backup::new(Revision(covered.last_log_id?.index), snapshot))
    }

    /// Length of the current snapshot in bytes.
    pub fn snapshot_bytes(&self) -> Option<u64> {
        self.0.snapshot_dir.current().map(|(_, file)| file.length())
    }

    /// Space in use, without snapshots.
    ///
    /// # Errors
    /// When the work could not be run.
    pub async fn usage(&self) -> Result<Usage, StoreError> {
        let storage = self.0.storage.clone();
        self.0.reads.run(storage.may_block(), move || Ok(storage.usage())).await
    }

    /// Waits until the data folder is free to be opened again: until the log, its readers, the state
    /// machine and all other handles are dropped, and the storage is closed.
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

/// Gives a feature of a past event the lists that it had then: those of today, if they are the same, or what was kept
/// when others took their place. Those of a feature that is gone are gone with it.
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
