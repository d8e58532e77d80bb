//! Damaged records, from a disk or a peer: reading them gives a value or an error. Nothing panics, and no length makes
//! the node allocate more memory than a record may have.

use crate::{
    entries::Scribe,
    node::{Node, pairs},
};
use nexus_domain::{Document, Recorded, Revision, Row};
use nexus_raft_store::{
    Entry, LogId, StoredMembership, Vote,
    record::{self, Kind, MAX_PAYLOAD_BYTES, RecordError},
    storage::{Column, SimulatedDisk},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::sync::OnceLock;

/// The last applied entry, the membership, the history's hash, the rows' digest, the oldest events.
type Progress = (Option<LogId>, StoredMembership, u64, (u64, u64), Revision, u64);

/// Every kind of record whose payload is decoded.
const KINDS: [Kind; 11] = [
    Kind::ENTRY,
    Kind::VOTE,
    Kind::LOG_ID,
    Kind::MARK,
    Kind::ROW,
    Kind::DOCUMENT,
    Kind::EVENT,
    Kind::PROGRESS,
    Kind::INSTALLING,
    Kind::SNAPSHOT_HEAD,
    Kind::SNAPSHOT_END,
];

/// Decodes a record as the type of its kind.
fn read(kind: Kind, bytes: &[u8]) -> Result<(), RecordError> {
    match kind {
        Kind::ENTRY => record::decode::<Entry>(kind, bytes).map(drop),
        Kind::VOTE => record::decode::<Vote>(kind, bytes).map(drop),
        Kind::LOG_ID => record::decode::<LogId>(kind, bytes).map(drop),
        Kind::MARK => record::decode::<(u64, Option<LogId>, Option<Vote>)>(kind, bytes).map(drop),
        Kind::ROW => record::decode::<Row>(kind, bytes).map(drop),
        Kind::DOCUMENT => record::decode::<Document>(kind, bytes).map(drop),
        Kind::EVENT => record::decode::<(u64, Recorded)>(kind, bytes).map(drop),
        Kind::PROGRESS => record::decode::<Progress>(kind, bytes).map(drop),
        Kind::INSTALLING => record::decode::<String>(kind, bytes).map(drop),
        Kind::SNAPSHOT_HEAD => record::decode::<(u16, Progress)>(kind, bytes).map(drop),
        Kind::SNAPSHOT_END => record::decode::<(u64, u128)>(kind, bytes).map(drop),
        other => record::open(other, bytes).map(drop),
    }
}

/// Records of every kind, as a node writes them.
fn real_records() -> &'static Vec<(Kind, Vec<u8>)> {
    static RECORDS: OnceLock<Vec<(Kind, Vec<u8>)>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let disk = SimulatedDisk::new();
        runtime.unwrap().block_on(async {
            let mut node = Node::start(disk.clone()).await;
            let mut scribe = Scribe::new();
            let entries = [scribe.beginning(), scribe.features(2), scribe.texts()].concat();
            node.vote(1).await.unwrap();
            node.run(entries).await;
        });
        let columns = [Column::Meta, Column::Log, Column::Rows, Column::Documents, Column::Events];
        let stored = columns.into_iter().flat_map(|column| pairs(&disk, column));
        let mut records: Vec<(Kind, Vec<u8>)> = stored
            .map(|(_, value)| {
                let (kind, _, length) = record::open_first(&value).unwrap();
                assert_eq!(length, value.len());
                (kind, value.into_vec())
            })
            .collect();
        // These records are not in columns.
        let progress = records.iter().find(|(kind, _)| *kind == Kind::PROGRESS).unwrap().1.clone();
        let progress: Progress = record::decode(Kind::PROGRESS, &progress).unwrap();
        let mark = (7_u64, progress.0, None::<Vote>);
        records.push((Kind::MARK, record::encode(Kind::MARK, &mark)));
        records.push((Kind::LOG_ID, record::encode(Kind::LOG_ID, &progress.0.unwrap())));
        records.push((Kind::INSTALLING, record::encode(Kind::INSTALLING, "snapshot-7")));
        records.push((Kind::SNAPSHOT_HEAD, record::encode(Kind::SNAPSHOT_HEAD, &(1_u16, progress))));
        records.push((Kind::SNAPSHOT_END, record::encode(Kind::SNAPSHOT_END, &(7_u64, 8_u128))));
        for kind in KINDS {
            assert!(records.iter().any(|(found, _)| *found == kind), "a record of kind {}", kind.0);
        }
        records
    })
}

/// The damage to bytes.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Set(at, value) => {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + count));
            }
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = prop_oneof![
        1 => any::<Index>().prop_map(Damage::Cut),
        3 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        // The prefixes of long numbers turn other bytes into lengths.
        3 => (any::<Index>(), 248..=255_u8).prop_map(|(at, value)| Damage::Set(at, value)),
        2 => (any::<Index>(), vec(any::<u8>(), 1..10)).prop_map(|(at, more)| Damage::Insert(at, more)),
        1 => (any::<Index>(), 1..10_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
    ];
    vec(damage, 1..4)
}

#[test]
fn real_records_are_read() {
    for (kind, bytes) in real_records() {
        assert_eq!(read(*kind, bytes), Ok(()), "kind {}", kind.0);
    }
}

#[test]
fn a_wrong_length_inside_a_payload_is_an_error() {
    // The highest length: 253 is the prefix of an eight-byte number.
    for claimed in [u64::MAX, 1 << 40, MAX_PAYLOAD_BYTES as u64 + 1] {
        let lie = [&[253], &claimed.to_le_bytes()[..]].concat();
        for (kind, bytes) in real_records() {
            let payload = record::open(*kind, bytes).unwrap();
            for at in 0..payload.len() {
                let payload = [&payload[..at], &lie, &payload[at + 1..]].concat();
                // In some places it is a number that may be large, but not a length.
                let _ = read(*kind, &record::seal(*kind, &payload));
            }
        }
        let text = record::seal(Kind::INSTALLING, &lie);
        assert!(matches!(read(Kind::INSTALLING, &text), Err(RecordError::Payload(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50_000))]

    #[test]
    fn random_bytes_are_no_record(bytes in vec(any::<u8>(), 0..200)) {
        for kind in KINDS {
            prop_assert!(read(kind, &bytes).is_err());
        }
        let _ = (record::open_first(&bytes), record::whole_length(&bytes));
    }

    #[test]
    fn a_damaged_record_is_never_taken_for_sound(which in any::<Index>(), damages in damages()) {
        let (kind, sound) = which.get(real_records());
        let mut bytes = sound.clone();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        prop_assert_eq!(read(*kind, &bytes).is_ok(), bytes == *sound);
    }

    #[test]
    fn a_payload_that_is_wrong_under_a_right_checksum_is_a_value_or_an_error(
        which in any::<Index>(), damages in damages(), other in any::<Index>()
    ) {
        let (kind, sound) = which.get(real_records());
        let mut payload = record::open(*kind, sound).unwrap().to_vec();
        damages.iter().for_each(|damage| damage.apply(&mut payload));
        let _ = read(*kind, &record::seal(*kind, &payload));
        // Another kind of record has the same type.
        let other = KINDS[other.index(KINDS.len())];
        let _ = read(other, &record::seal(other, &payload));
    }

    #[test]
    fn a_random_payload_under_a_right_checksum_is_a_value_or_an_error(payload in vec(any::<u8>(), 0..200)) {
        for kind in KINDS {
            let _ = read(kind, &record::seal(kind, &payload));
        }
    }
}
