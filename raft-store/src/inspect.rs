//! Inspects a data folder, also beside a node that runs on it. Nothing here writes, repairs, or takes the folder's
//! lock.

use crate::{
    error::StoreError,
    history::StoredEvent,
    keys::{self, meta},
    log::{LogEnds, Mark, read_log, read_mark},
    machine::{
        Published,
        load::{Loading, load_progress},
    },
    record::{self, FORMAT, Kind},
    snapshot::{NewHistory, SnapshotNote, new_history, snapshots_in},
    storage::{Column, FILES, Folder, KeyRange, Order, OsFolder, Reader, Rocks, Storage as _},
};
use nexus_domain::Document;
use std::{path::Path, sync::Arc};

/// Damaged records that are listed one by one.
const MAX_LISTED: usize = 20;

/// The content of a data folder.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The format of the records.
    pub format: u8,
    /// The node's own identity, as [`StoreHandle::identity`](crate::StoreHandle::identity) returns it.
    pub identity: Option<Vec<u8>>,
    /// The new history that the node has to begin, or has begun.
    pub new_history: Option<NewHistory>,
    /// Whether a restore or a recovery was interrupted while it built the folder.
    pub is_unfinished: bool,
    /// Whether the state is being replaced by a snapshot.
    pub is_installing: bool,
    /// The log and the vote; `None` if the log is damaged.
    pub log: Option<LogEnds>,
    /// The number of entries in the log.
    pub entries: u64,
    /// Why the node may not vote any more: its log or its vote is older than what was durable.
    pub quarantined: Option<String>,
    /// The applied state; `None` if it is damaged or being replaced.
    pub state: Option<Arc<Published>>,
    /// The number of rows of the state.
    pub rows: u64,
    /// The number of documents.
    pub documents: u64,
    /// The number of events of the history.
    pub events: u64,
    /// The snapshots, by name.
    pub snapshots: Vec<SnapshotNote>,
    /// The damaged records: where they are, and how they are damaged; at most some dozens.
    pub damage: Vec<String>,
}

/// Inspects a data folder. RocksDB writes its own log into `text_log`. Blocks on the device.
///
/// # Errors
/// If there is no database in it, or if it cannot be opened at all.
pub fn inspect_folder(dir: &Path, text_log: &Path) -> Result<Inspection, StoreError> {
    // The mark comes first: a node that runs writes entries before their mark, so that these entries are found.
    let mark = read_mark(&OsFolder::open_to_read(&dir.join(FILES)));
    let storage = Rocks::open_to_read(dir, text_log)?;
    Ok(inspect_marked(&storage, storage.folder().as_ref(), mark))
}

/// Inspects a storage on which no node runs.
pub fn inspect(reader: &dyn Reader, folder: &dyn Folder) -> Inspection {
    inspect_marked(reader, folder, read_mark(folder))
}

fn inspect_marked(
    reader: &dyn Reader,
    folder: &dyn Folder,
    mark: Result<Option<Mark>, StoreError>,
) -> Inspection {
    let mut found = Inspection { format: FORMAT, ..Inspection::default() };
    let mut damage = Damage::default();
    found.identity = damage.noted(identity(reader)).flatten();
    found.new_history = damage.noted(new_history::stored(reader)).flatten();
    let has = |key| reader.get(Column::Meta, key).map(|value| value.is_some());
    found.is_unfinished = damage.noted(has(meta::BUILDING)).unwrap_or_default();
    found.is_installing = damage.noted(has(meta::INSTALLING)).unwrap_or_default();
    let counted = read_log(reader, &mut |_, _| {
        found.entries += 1;
        Ok(())
    });
    found.log = damage.noted(counted);
    if let Some((mark, ends)) = damage.noted(mark).zip(found.log)
        && let Err(StoreError::Quarantined(why)) = ends.check_mark(mark)
        && !found.is_unfinished
    {
        found.quarantined = Some(why.reason);
    }
    let mut loading = Loading::default();
    each(reader, Column::Rows, &mut damage, |key, value| loading.found(key, value));
    found.rows = loading.rows();
    if !found.is_installing && damage.is_without_rows() {
        let loaded = load_progress(reader).and_then(|progress| loading.finish(progress));
        found.state = damage.noted(loaded).map(|(published, _)| Arc::new(published));
    }
    found.documents = each(reader, Column::Documents, &mut damage, |key, value| {
        let decoded = record::decode::<Document>(Kind::DOCUMENT, value);
        decoded.map(|_| ()).map_err(|cause| StoreError::corrupt(Column::Documents, key, cause))?;
        let known = keys::read_document(key).map(|_| ());
        known.ok_or_else(|| StoreError::Inconsistent("a document has a key of no known kind".into()))
    });
    found.events = each(reader, Column::Events, &mut damage, |key, value| {
        let decoded = record::decode::<StoredEvent<'_>>(Kind::EVENT, value);
        decoded.map(|_| ()).map_err(|cause| StoreError::corrupt(Column::Events, key, cause))
    });
    found.snapshots = damage.noted(snapshots_in(folder)).unwrap_or_default();
    found.damage = damage.finish();
    found
}

fn identity(reader: &dyn Reader) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(value) = reader.get(Column::Meta, meta::IDENTITY)? else { return Ok(None) };
    record::open(Kind::IDENTITY, &value)
        .map(|identity| Some(identity.to_vec()))
        .map_err(|cause| StoreError::corrupt(Column::Meta, meta::IDENTITY, cause))
}

/// Reads all pairs of a column, and notes those that are damaged. Returns their number.
fn each(
    reader: &dyn Reader,
    column: Column,
    damage: &mut Damage,
    mut check: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> u64 {
    let mut count = 0;
    for pair in reader.scan(column, &KeyRange::all(), Order::Ascending) {
        count += 1;
        let checked = pair.and_then(|(key, value)| check(&key, &value));
        if let Err(error) = checked {
            damage.has_rows |= column == Column::Rows;
            damage.note(&error);
        }
    }
    count
}

/// Collects what is damaged.
#[derive(Default)]
struct Damage {
    listed: Vec<String>,
    more: usize,
    has_rows: bool,
}

impl Damage {
    fn is_without_rows(&self) -> bool {
        !self.has_rows
    }

    fn note(&mut self, error: &StoreError) {
        if self.listed.len() < MAX_LISTED {
            // The advice of the error is about a node that starts.
            self.listed.push(match error {
                StoreError::Corrupt { column, key, cause } => format!("{column} at {key}: {cause}"),
                StoreError::Inconsistent(why) => why.clone(),
                other => other.to_string(),
            });
        } else {
            self.more += 1;
        }
    }

    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        result.inspect_err(|error| self.note(error)).ok()
    }

    fn finish(self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.listed.into_iter().chain(more).collect()
    }
}
