//! Backups. A backup is a snapshot, followed by the SHA-256 of all its bytes, so that any tool can check whether it is
//! complete. A node only sends it; the client stores it.

use super::{file::SnapshotFile, format};
use crate::{
    blocking,
    error::StoreError,
    history::StoredEvent,
    keys,
    machine::{Published, load::Loading, progress::Progress},
    record::{self, Kind, RecordError},
    storage::{Column, File, open_to_read},
};
use bytes::Bytes;
use nexus_domain::{Document, Revision, WallTime, ids::ClusterId};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc};

/// The bytes of the checksum at the end.
const CHECKSUM_BYTES: u64 = 32;
/// The bytes that are checked at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A backup that is being read. Its snapshot stays readable until this is dropped, also after a newer one has replaced
/// it.
pub struct Backup {
    revision: Revision,
    snapshot: SnapshotFile,
    offset: u64,
    /// The hash of everything before the offset; `None` once it was returned.
    checksum: Option<Sha256>,
}

impl Backup {
    pub(crate) fn new(revision: Revision, snapshot: SnapshotFile) -> Self {
        Self { revision, snapshot, offset: 0, checksum: Some(Sha256::new()) }
    }

    /// The last log index in it.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The length in bytes, checksum included.
    pub fn length(&self) -> u64 {
        self.snapshot.length() + CHECKSUM_BYTES
    }

    /// The next chunk, of at most a MiB; `None` after the last one, which is the checksum.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        // The hash stays until there is a newer one, so that a caller that stops waiting can call again.
        let Some(mut checksum) = self.checksum.clone() else { return Ok(None) };
        if self.offset == self.snapshot.length() {
            self.checksum = None;
            return Ok(Some(Bytes::copy_from_slice(&checksum.finalize())));
        }
        let (snapshot, offset) = (self.snapshot.clone(), self.offset);
        // Hashing a chunk takes as long as reading it.
        let (chunk, checksum) = blocking::run(self.snapshot.may_block(), move || {
            let chunk = snapshot.chunk_at(offset)?;
            checksum.update(&chunk);
            Ok((chunk, checksum))
        })
        .await?;
        if chunk.is_empty() {
            return Err(StoreError::Snapshot("it became shorter while it was read".into()));
        }
        self.offset += chunk.len() as u64;
        self.checksum = Some(checksum);
        Ok(Some(chunk))
    }
}

/// The contents of a valid backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupContents {
    /// The cluster that it is from; `None` if it was not formed yet.
    pub cluster: Option<ClusterId>,
    /// The last log index in it.
    pub revision: Revision,
    /// The wall time of that entry.
    pub at: WallTime,
    /// The number of rows of the state.
    pub rows: u64,
    /// The number of documents.
    pub documents: u64,
    /// The number of events of the history.
    pub events: u64,
    /// The length of the backup in bytes.
    pub bytes: u64,
    /// The rolling hash of the state, as nodes at this revision have it.
    pub hash: u64,
    /// The highest node id that was ever handed out; 0 if there was none.
    pub highest_node: u64,
}

/// Checks a backup to the last record: that it is complete, that every record can be decoded, and that the rows form
/// the state that they were written from. Blocks on the device.
///
/// # Errors
/// [`StoreError::Snapshot`] if it is not valid; other errors if it cannot be read.
pub fn check_backup(path: &Path) -> Result<BackupContents, StoreError> {
    BackupFile::open(path)?.check().map(|(contents, _)| contents)
}

/// A backup whose checksum is right.
pub struct BackupFile {
    file: Arc<dyn File>,
    /// The length of the snapshot in bytes.
    length: u64,
}

impl BackupFile {
    /// Opens a backup, and checks that it is complete. Blocks on the device.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] if it is not; other errors if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::of(open_to_read(path)?)
    }

    /// The backup in a file that is open.
    pub(crate) fn of(file: Arc<dyn File>) -> Result<Self, StoreError> {
        let length = file.length()?.checked_sub(CHECKSUM_BYTES);
        let length = length.ok_or_else(|| damaged("it is too short to be a backup".into()))?;
        check_sum(file.as_ref(), length)?;
        Ok(Self { file, length })
    }

    /// Checks it to the last record, and returns the state in it.
    pub(crate) fn check(&self) -> Result<(BackupContents, Published), StoreError> {
        let (mut loading, mut documents, mut events) = (Loading::default(), 0, 0);
        let progress = self.read(&mut |column, key, value| match column {
            Column::Documents => {
                documents += 1;
                check_document(key, value)
            }
            Column::Events => {
                events += 1;
                check_event(key, value)
            }
            _ => loading.found(key, value).map_err(unsound),
        })?;
        let rows = loading.rows();
        let (published, _) = loading.finish(progress).map_err(unsound)?;
        let contents = BackupContents {
            cluster: published.state.origin().map(|origin| origin.cluster),
            revision: published.revision(),
            at: published.state.clock().wall,
            rows,
            documents,
            events,
            bytes: self.length + CHECKSUM_BYTES,
            hash: published.hash(),
            highest_node: published.state.nodes().last().map_or(0, |node| node.id.0),
        };
        Ok((contents, published))
    }

    /// Reads the snapshot in it, and checks it to its end. `visit` gets every pair before that.
    pub(super) fn read(&self, visit: format::Visit<'_>) -> Result<Progress, StoreError> {
        format::read_first(self.file.as_ref(), self.length, visit)
    }
}

fn check_sum(file: &dyn File, length: u64) -> Result<(), StoreError> {
    let mut checksum = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < length {
        let left = usize::try_from(length - offset).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let read = file.read_at(offset, &mut chunk[..left])?;
        if read == 0 {
            return Err(damaged("it became shorter while it was read".into()));
        }
        checksum.update(&chunk[..read]);
        offset += read as u64;
    }
    let mut written = [0; CHECKSUM_BYTES as usize];
    let read = file.read_at(length, &mut written)?;
    if read < written.len() || written[..] != checksum.finalize()[..] {
        return Err(damaged("its checksum does not match: it is cut short or was changed".into()));
    }
    Ok(())
}

fn check_document(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    keys::read_document(key).ok_or_else(|| damaged("a document has a key of no known kind".into()))?;
    let document = record::decode::<Document>(Kind::DOCUMENT, value);
    document.map(|_| ()).map_err(|cause| damaged(format!("a document cannot be read: {cause}")))
}

fn check_event(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let StoredEvent { event, .. } = record::decode(Kind::EVENT, value)
        .map_err(|cause| damaged(format!("an event cannot be read: {cause}")))?;
    let place = event.event.project().map(|project| keys::event(event.revision, event.seq, project));
    if place.is_none_or(|place| place[..] != *key) {
        return Err(damaged(format!("an event of revision {} is in another place", event.revision)));
    }
    Ok(())
}

/// Replaces an error text, since the advice about a node's own state does not apply to a backup.
fn unsound(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { cause, .. } => damaged(format!("a row cannot be read: {cause}")),
        StoreError::Inconsistent(why) => damaged(why),
        StoreError::OlderFormat(format) => damaged(RecordError::Format(format).to_string()),
        other => other,
    }
}

fn damaged(cause: String) -> StoreError {
    StoreError::Snapshot(cause)
}
