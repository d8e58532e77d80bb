//! The fuzz targets of this crate, for tests/fuzz and for the unit tests below: everything that is read from a disk, a
//! peer or a backup.

use crate::{
    error::StoreError,
    history::StoredEvent,
    keys,
    machine::progress::{Progress, RowsDigest, hash_row},
    record::{self, FORMAT, HEADER_BYTES, Kind, TRAILER_BYTES},
    snapshot::{BackupFile, NewHistory},
    storage::File,
    types::{Entry, LogId, Vote},
};
use nexus_domain::{Document, Row, State};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};
use xxhash_rust::xxh3::xxh3_128;

/// The kinds of records whose payload is decoded. The first byte of an input of [`record`] chooses one.
const KINDS: [Kind; 12] = [
    Kind::ENTRY,
    Kind::VOTE,
    Kind::LOG_ID,
    Kind::MARK,
    Kind::ROW,
    Kind::DOCUMENT,
    Kind::EVENT,
    Kind::PROGRESS,
    Kind::INSTALLING,
    Kind::NEW_HISTORY,
    Kind::SNAPSHOT_HEAD,
    Kind::SNAPSHOT_END,
];

/// The number of a column of rows in a snapshot.
const ROWS_COLUMN: u8 = 1;

/// The bytes before a key and a value in a block: the column and two lengths.
const PAIR_HEAD_BYTES: usize = 9;

/// A payload of the kind that the first byte chooses: under a right checksum it is a value or an error, and a value is
/// written and read as the same one. The bytes as they are, without a checksum, are no record.
///
/// # Panics
/// If one of these properties does not hold.
pub fn record(data: &[u8]) {
    if let Ok((_, _, length)) = record::open_first(data) {
        assert!(length <= data.len());
    }
    let Some((choice, payload)) = data.split_first() else { return };
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    let sealed = record::seal(kind, payload);
    match kind {
        Kind::ENTRY => comes_back::<Entry>(kind, &sealed),
        Kind::VOTE => comes_back::<Vote>(kind, &sealed),
        Kind::LOG_ID => comes_back::<LogId>(kind, &sealed),
        Kind::MARK => comes_back::<(u64, Option<LogId>, Option<Vote>)>(kind, &sealed),
        Kind::ROW => {
            comes_back::<Row>(kind, &sealed);
            if let Ok(row) = record::decode::<Row>(kind, &sealed) {
                assert!(!keys::row(&row.key()).is_empty());
            }
        }
        Kind::DOCUMENT => {
            comes_back::<Document>(kind, &sealed);
            // The same bytes as a key.
            if let Some(key) = keys::read_document(payload) {
                assert_eq!(keys::document(&key), payload, "{key:?}");
            }
        }
        Kind::EVENT => {
            comes_back::<StoredEvent<'static>>(kind, &sealed);
            // The same bytes as a key.
            keys::read_event(payload);
        }
        Kind::PROGRESS => comes_back::<Progress>(kind, &sealed),
        Kind::INSTALLING => comes_back::<String>(kind, &sealed),
        Kind::NEW_HISTORY => comes_back::<NewHistory>(kind, &sealed),
        Kind::SNAPSHOT_HEAD => comes_back::<(u16, Progress)>(kind, &sealed),
        Kind::SNAPSHOT_END => comes_back::<(u64, u128)>(kind, &sealed),
        Kind(other) => panic!("kind {other} is in the list and not decoded"),
    }
}

/// Checks that a record, if it can be decoded, is encoded and decoded as the same value.
fn comes_back<T: Serialize + DeserializeOwned>(kind: Kind, sealed: &[u8]) {
    let Ok(value) = record::decode::<T>(kind, sealed) else { return };
    let written = record::encode(kind, &value);
    let again = record::decode::<T>(kind, &written);
    let again = again.unwrap_or_else(|error| panic!("what was read cannot be read again: {error}"));
    // Not the bytes that were read: numbers have several spellings.
    assert_eq!(record::encode(kind, &again), written);
}

/// A backup, as it is and with all of its checksums mended: it is refused, or its rows are the state that is made of
/// them.
///
/// # Panics
/// If the rows of an accepted backup are others than those of its state.
pub fn backup(data: &[u8]) {
    check_backup(data.to_vec());
    check_backup(mended(data));
}

fn check_backup(bytes: Vec<u8>) {
    let blocks = records(&bytes);
    let Ok((_, published)) = BackupFile::of(Arc::new(Bytes(bytes))).and_then(|file| file.check()) else {
        return;
    };
    // A state always has a clock, settings and rules, also where no row says so.
    let mut expected: BTreeMap<Vec<u8>, Row> = keyed(State::default().rows());
    for (_, block) in blocks.iter().filter(|(kind, _)| *kind == Kind::SNAPSHOT_BLOCK) {
        for (_, _, value) in pairs(block).filter(|(column, _, _)| *column == ROWS_COLUMN) {
            expected.extend(keyed(record::decode::<Row>(Kind::ROW, value)));
        }
    }
    assert_eq!(keyed(published.state.rows()), expected, "the rows are the whole state");
}

/// Rows by their keys.
fn keyed(rows: impl IntoIterator<Item = Row>) -> BTreeMap<Vec<u8>, Row> {
    rows.into_iter().map(|row| (keys::row(&row.key()), row)).collect()
}

/// The columns, keys and values in a block, as far as their lengths lead.
fn pairs(mut block: &[u8]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = block.split_at_checked(PAIR_HEAD_BYTES)?;
        let (key_bytes, value_bytes) = lengths(head);
        let (key, rest) = rest.split_at_checked(key_bytes)?;
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        block = rest;
        Some((head[0], key, value))
    })
}

/// The lengths of a key and a value, behind the column.
fn lengths(head: &[u8]) -> (usize, usize) {
    let length =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    (length(1), length(5))
}

/// A backup with the records of `data`, whatever checksums they had: those of records, of the values within, of the
/// rows, of the snapshot and of the whole are right.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut records = records(data);
    let (mut digest, mut pairs) = (RowsDigest::default(), 0_u64);
    for (_, payload) in records.iter_mut().filter(|(kind, _)| *kind == Kind::SNAPSHOT_BLOCK) {
        pairs += mend_pairs(payload, &mut digest);
    }
    let mut snapshot = Vec::new();
    for (kind, payload) in records.iter().filter(|(kind, _)| *kind != Kind::SNAPSHOT_END) {
        let head = (*kind == Kind::SNAPSHOT_HEAD).then(|| record::seal(*kind, payload));
        match head.map(|head| record::decode::<(u16, Progress)>(*kind, &head)) {
            Some(Ok((version, progress))) => {
                let progress = Progress { rows: digest, ..progress };
                snapshot.extend(record::encode(*kind, &(version, progress)));
            }
            _ => snapshot.extend(record::seal(*kind, payload)),
        }
    }
    snapshot.extend(record::encode(Kind::SNAPSHOT_END, &(pairs, xxh3_128(&snapshot))));
    let checksum = Sha256::digest(&snapshot);
    snapshot.extend_from_slice(&checksum);
    snapshot
}

/// The kinds and payloads of the records in `data`, as far as their lengths lead.
fn records(mut data: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    let mut found = Vec::new();
    while let Ok(length) = record::whole_length(data) {
        let Some((whole, rest)) = data.split_at_checked(length) else { break };
        let kind = Kind(u16::from_le_bytes([whole[1], whole[2]]));
        found.push((kind, whole[HEADER_BYTES..length - TRAILER_BYTES].to_vec()));
        data = rest;
    }
    found
}

/// Mends the checksums of the values in a block. Returns the number of its pairs, and adds its rows to the digest.
fn mend_pairs(mut block: &mut [u8], digest: &mut RowsDigest) -> u64 {
    let mut pairs = 0;
    while let Some((head, rest)) = block.split_at_mut_checked(PAIR_HEAD_BYTES) {
        let (key_bytes, value_bytes) = lengths(head);
        let Some((key, rest)) = rest.split_at_mut_checked(key_bytes) else { break };
        let Some((value, rest)) = rest.split_at_mut_checked(value_bytes) else { break };
        if value.first() == Some(&FORMAT) && value.len() >= HEADER_BYTES + TRAILER_BYTES {
            let (covered, checksum) = value.split_at_mut(value.len() - TRAILER_BYTES);
            let payload = u32::try_from(covered.len() - HEADER_BYTES).expect("an input is far below 4 GiB");
            covered[3..HEADER_BYTES].copy_from_slice(&payload.to_le_bytes());
            checksum.copy_from_slice(&crc32c::crc32c(covered).to_le_bytes());
        }
        if head[0] == ROWS_COLUMN {
            digest.add(hash_row(key, value));
        }
        pairs += 1;
        block = rest;
    }
    pairs
}

/// A file in memory that is only read.
struct Bytes(Vec<u8>);

impl File for Bytes {
    fn length(&self) -> Result<u64, StoreError> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("a backup is only read")
    }

    fn sync(&self) -> Result<(), StoreError> {
        unreachable!("a backup is only read")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::{Command, LeaderId, Member};
    use nexus_domain::{
        Acting, Actor, ClusterId, EngineerId, InstanceId, ProjectId, Proposal, Revision, SessionId, Stamp,
        command, entity::ResetKind, ids::KeyId,
    };
    use openraft::{EntryPayload, Membership};
    use std::{fs, path::Path};
    use uuid::Uuid;

    /// The backup that version 0.2.0 wrote.
    fn golden() -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/golden/0.2.0");
        fs::read(folder.join("backup")).unwrap()
    }

    fn log_id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 3, node_id: 1 }, index)
    }

    fn entries() -> Vec<(&'static str, Entry)> {
        let proposal = |command: nexus_domain::Command, actor| {
            let acting = Acting::Session(SessionId(Uuid::from_u128(9)));
            let proposal = Proposal { command, actor, acting, request: None, stamp: Stamp::default() };
            EntryPayload::Normal(Command(Arc::new(proposal)))
        };
        let engineer = Actor::Engineer { id: EngineerId(Uuid::from_u128(1)), key: KeyId(Uuid::from_u128(2)) };
        let member = Member {
            peer_addr: "p:1".to_owned(),
            client_addr: "c:1".to_owned(),
            instance: InstanceId(Uuid::nil()),
        };
        let membership = Membership::new(vec![[1].into()], BTreeMap::from([(1, member)])).unwrap();
        let end = command::EndSession {
            project: ProjectId(Uuid::from_u128(4)),
            session: SessionId(Uuid::from_u128(9)),
        };
        let payloads = [
            ("blank", EntryPayload::Blank),
            ("tick", proposal(command::Tick.into(), Actor::System)),
            ("end-session", proposal(end.into(), engineer)),
            ("membership", EntryPayload::Membership(membership)),
        ];
        payloads.into_iter().map(|(name, payload)| (name, Entry { log_id: log_id(7), payload })).collect()
    }

    /// The payload of a record behind the choice of its kind.
    fn input(kind: Kind, sealed: &[u8]) -> Vec<u8> {
        let choice = KINDS.iter().position(|known| *known == kind).unwrap();
        [&[u8::try_from(choice).unwrap()], record::open(kind, sealed).unwrap()].concat()
    }

    #[test]
    fn records_pass_their_corpus() {
        let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
        let mut push = |name: &str, kind: Kind, sealed: Vec<u8>| {
            seeds.push((name.to_owned(), input(kind, &sealed)));
        };
        for (name, entry) in entries() {
            push(&format!("entry-{name}"), Kind::ENTRY, record::encode(Kind::ENTRY, &entry));
        }
        let vote = Vote { leader_id: LeaderId { term: 3, node_id: 1 }, committed: true };
        push("vote", Kind::VOTE, record::encode(Kind::VOTE, &vote));
        push("log-id", Kind::LOG_ID, record::encode(Kind::LOG_ID, &log_id(300)));
        push("mark", Kind::MARK, record::encode(Kind::MARK, &(7_u64, Some(log_id(7)), Some(vote))));
        push("installing", Kind::INSTALLING, record::encode(Kind::INSTALLING, "snapshot-7"));
        let history = NewHistory {
            cluster: ClusterId(Uuid::from_u128(5)),
            through: Revision(9),
            kind: ResetKind::Restored,
        };
        push("new-history", Kind::NEW_HISTORY, record::encode(Kind::NEW_HISTORY, &history));
        let mut blocks = 0;
        for (kind, payload) in records(&golden()) {
            if kind != Kind::SNAPSHOT_BLOCK {
                push(
                    if kind == Kind::SNAPSHOT_HEAD { "head" } else { "end" },
                    kind,
                    record::seal(kind, &payload),
                );
                if let Ok((_, progress)) =
                    record::decode::<(u16, Progress)>(kind, &record::seal(kind, &payload))
                {
                    push("progress", Kind::PROGRESS, record::encode(Kind::PROGRESS, &progress));
                }
                continue;
            }
            for (_, _, value) in pairs(&payload) {
                let (kind, _, _) = record::open_first(value).unwrap();
                blocks += 1;
                push(&format!("stored-{blocks}"), kind, value.to_vec());
            }
        }
        nexus_corpora::pass("record", record, seeds);
    }

    #[test]
    fn backups_pass_their_corpus() {
        // The values of a golden backup are exact, so that the mended one is accepted, and is the same.
        let golden = golden();
        assert!(BackupFile::of(Arc::new(Bytes(golden.clone()))).unwrap().check().is_ok());
        assert_eq!(mended(&golden), golden);
        nexus_corpora::pass("backup", backup, vec![("golden".to_owned(), golden)]);
    }
}
