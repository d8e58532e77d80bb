//! The format of a snapshot file: a head, blocks of pairs, and an end with a checksum of everything before it. A file
//! is not trusted before its end was checked.

use crate::{
    error::StoreError,
    machine::progress::Progress,
    record::{self, Kind},
    storage::{Column, File, KeyRange, Order, Reader},
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// The version of the format that is written.
const VERSION: u16 = 1;
/// The approximate bytes of a block of pairs, which is one write.
const BLOCK_BYTES: usize = 256 << 10;
/// The columns in a snapshot, in this order, with their numbers in blocks. A number is never reused.
const COLUMNS: [(u8, Column); 3] = [(1, Column::Rows), (2, Column::Documents), (3, Column::Events)];

#[derive(Serialize, Deserialize)]
struct Head {
    version: u16,
    progress: Progress,
}

#[derive(Serialize, Deserialize)]
struct End {
    pairs: u64,
    /// The XXH3-128 of all bytes before this record.
    checksum: u128,
}

/// Writes a snapshot of `view`, which is at `progress`. Returns its length in bytes.
///
/// # Errors
/// If the device fails or is full.
pub(super) fn write(view: &dyn Reader, progress: &Progress, file: &dyn File) -> Result<u64, StoreError> {
    let mut writer = Writer { file, length: 0, checksum: Xxh3::new() };
    let head = Head { version: VERSION, progress: progress.clone() };
    writer.append(&record::encode(Kind::SNAPSHOT_HEAD, &head))?;
    let mut pairs = 0;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    for (number, column) in COLUMNS {
        for pair in view.scan(column, &KeyRange::all(), Order::Ascending) {
            let (key, value) = pair?;
            push_pair(&mut block, number, &key, &value);
            pairs += 1;
            if block.len() >= BLOCK_BYTES {
                writer.append(&record::seal(Kind::SNAPSHOT_BLOCK, &block))?;
                block.clear();
            }
        }
    }
    if !block.is_empty() {
        writer.append(&record::seal(Kind::SNAPSHOT_BLOCK, &block))?;
    }
    let checksum = writer.checksum.digest128();
    writer.append(&record::encode(Kind::SNAPSHOT_END, &End { pairs, checksum }))?;
    Ok(writer.length)
}

struct Writer<'a> {
    file: &'a dyn File,
    length: u64,
    checksum: Xxh3,
}

impl Writer<'_> {
    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.file.write_at(self.length, record)?;
        self.length += record.len() as u64;
        self.checksum.update(record);
        Ok(())
    }
}

fn push_pair(block: &mut Vec<u8>, number: u8, key: &[u8], value: &[u8]) {
    let length = |bytes: &[u8]| {
        u32::try_from(bytes.len()).expect("keys and records are far below 4 GiB").to_le_bytes()
    };
    block.push(number);
    block.extend_from_slice(&length(key));
    block.extend_from_slice(&length(value));
    block.extend_from_slice(key);
    block.extend_from_slice(value);
}

/// A callback with the column, the key and the value of every pair.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Column, &[u8], &[u8]) -> Result<(), StoreError>;

/// Reads a whole snapshot and checks the checksum at its end. `visit` gets every pair before that.
///
/// # Errors
/// [`StoreError::Snapshot`] if it is damaged, incomplete or of another version, or an error of `visit`.
pub(super) fn read(file: &dyn File, visit: Visit<'_>) -> Result<Progress, StoreError> {
    read_first(file, file.length()?, visit)
}

/// Reads a whole snapshot that is the start of a file, of a given length.
///
/// # Errors
/// The same as [`read`].
pub(super) fn read_first(file: &dyn File, length: u64, visit: Visit<'_>) -> Result<Progress, StoreError> {
    let mut records = Records { file, offset: 0, length, bytes: Vec::new() };
    let mut checksum = Xxh3::new();
    let head: Head = decode(Kind::SNAPSHOT_HEAD, records.next()?)?;
    if head.version != VERSION {
        let version = head.version;
        return Err(damaged(format!("version {version} is unknown, this node reads version {VERSION}")));
    }
    checksum.update(&records.bytes);
    let mut pairs = 0_u64;
    loop {
        let bytes = records.next()?;
        let (kind, payload, _) = record::open_first(bytes).map_err(|cause| damaged(cause.to_string()))?;
        let mut rest = match kind {
            Kind::SNAPSHOT_END => break,
            Kind::SNAPSHOT_BLOCK => payload,
            Kind(other) => return Err(damaged(format!("a record of kind {other} is in it"))),
        };
        while !rest.is_empty() {
            let (column, key, value) =
                take_pair(&mut rest).ok_or_else(|| damaged("a block is cut short".into()))?;
            visit(column, key, value)?;
            pairs += 1;
        }
        checksum.update(&records.bytes);
    }
    let end: End = decode(Kind::SNAPSHOT_END, &records.bytes)?;
    if end.checksum != checksum.digest128() || end.pairs != pairs {
        return Err(damaged("its checksum does not match".into()));
    }
    if records.offset != records.length {
        return Err(damaged("bytes follow its end".into()));
    }
    Ok(head.progress)
}

/// Checks a whole snapshot, and returns its progress.
///
/// # Errors
/// The same as [`read`].
pub(super) fn verify(file: &dyn File) -> Result<Progress, StoreError> {
    read(file, &mut |_, _, _| Ok(()))
}

fn damaged(cause: String) -> StoreError {
    StoreError::Snapshot(cause)
}

fn decode<T: serde::de::DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, StoreError> {
    record::decode(kind, bytes).map_err(|cause| damaged(cause.to_string()))
}

fn take_pair<'a>(rest: &mut &'a [u8]) -> Option<(Column, &'a [u8], &'a [u8])> {
    let (number, after) = rest.split_first()?;
    let (_, column) = COLUMNS.into_iter().find(|(known, _)| known == number)?;
    let (key_length, after) = after.split_first_chunk()?;
    let (value_length, after) = after.split_first_chunk()?;
    let (key, after) = after.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    let (value, after) = after.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    *rest = after;
    Some((column, key, value))
}

/// The records of a file, one at a time.
struct Records<'a> {
    file: &'a dyn File,
    offset: u64,
    length: u64,
    bytes: Vec<u8>,
}

impl Records<'_> {
    fn next(&mut self) -> Result<&[u8], StoreError> {
        let mut header = [0; record::HEADER_BYTES];
        let read = self.file.read_at(self.offset, &mut header)?;
        let whole = record::whole_length(&header[..read]).map_err(|cause| damaged(cause.to_string()))?;
        let left = self.length.saturating_sub(self.offset);
        // This comes before the allocation: a damaged length may be any number.
        if whole as u64 > left {
            return Err(damaged(format!("it ends {} bytes too early", whole as u64 - left)));
        }
        self.bytes.resize(whole, 0);
        let read = self.file.read_at(self.offset, &mut self.bytes)?;
        if read < whole {
            return Err(damaged("it became shorter while it was read".into()));
        }
        self.offset += whole as u64;
        Ok(&self.bytes)
    }
}
