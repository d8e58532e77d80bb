//! The envelope of every stored or sent record. It is the same for all payloads.
//!
//! `[format u8][kind u16][length u32][payload][crc32c u32]`, numbers in little endian; the checksum
//! covers everything before it. The payload is bincode (variable-length integers). Enums inside
//! payloads only grow at the end; a change that old code cannot read takes a new format number.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};

/// The number of the format that is written.
pub const FORMAT: u8 = 2;
/// The bytes before the payload.
pub const HEADER_BYTES: usize = 7;
/// The bytes after the payload.
pub const TRAILER_BYTES: usize = 4;
/// The largest payload in bytes. Requests are at most 1 MiB. A damaged length must not make a node allocate more memory
/// than it can spare.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

const BINCODE: Configuration<LittleEndian, Varint, Limit<MAX_PAYLOAD_BYTES>> =
    bincode::config::standard().with_limit::<MAX_PAYLOAD_BYTES>();

/// The kind of a record. Numbers are never reused; those from 256 on belong to the peer transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(pub u16);

impl Kind {
    /// A Raft log entry.
    pub const ENTRY: Self = Self(1);
    /// A vote of Raft.
    pub const VOTE: Self = Self(2);
    /// A log id, of the last committed or purged entry.
    pub const LOG_ID: Self = Self(3);
    /// The mark of what the log has made durable.
    pub const MARK: Self = Self(4);
    /// A row of the state.
    pub const ROW: Self = Self(5);
    /// A document of the domain.
    pub const DOCUMENT: Self = Self(6);
    /// An event of a feed.
    pub const EVENT: Self = Self(7);
    /// The progress of the state machine, with the state's hash.
    pub const PROGRESS: Self = Self(8);
    /// A snapshot that is being installed.
    pub const INSTALLING: Self = Self(9);
    /// The head of a snapshot.
    pub const SNAPSHOT_HEAD: Self = Self(10);
    /// A block of a snapshot.
    pub const SNAPSHOT_BLOCK: Self = Self(11);
    /// The end of a snapshot, with its checksum.
    pub const SNAPSHOT_END: Self = Self(12);
    /// The node's own identity, as opaque bytes.
    pub const IDENTITY: Self = Self(13);
    /// The mark of a folder that is being built for a new history.
    pub const BUILDING: Self = Self(14);
    /// The new history that a node begins.
    pub const NEW_HISTORY: Self = Self(15);
}

/// Why bytes are not a valid record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record ends too early.
    #[error("truncated: {actual} of {expected} bytes")]
    Truncated {
        /// The bytes that the record should have.
        expected: usize,
        /// The bytes that there are.
        actual: usize,
    },
    /// Bytes follow the end of the record.
    #[error("{0} bytes follow the record")]
    Trailing(usize),
    /// Another version wrote the record.
    #[error("format {0} is unknown, this version reads format {FORMAT}")]
    Format(u8),
    /// The record is of another kind.
    #[error("kind {actual} found, {expected} expected")]
    Kind {
        /// The expected kind.
        expected: u16,
        /// The kind in the record.
        actual: u16,
    },
    /// The checksum does not match the bytes.
    #[error("checksum {actual:08x} found, {expected:08x} expected")]
    Checksum {
        /// The checksum in the record.
        expected: u32,
        /// The checksum of its bytes.
        actual: u32,
    },
    /// The length is larger than any record that is written.
    #[error("payload of {0} bytes, at most {MAX_PAYLOAD_BYTES} are allowed")]
    TooLarge(usize),
    /// The payload cannot be decoded although the checksum is right.
    #[error("payload: {0}")]
    Payload(String),
}

/// Encodes a value as a record.
///
/// # Panics
/// If the type has no fixed length, or the value takes more than [`MAX_PAYLOAD_BYTES`]. The caller bounds what it
/// stores, so both are defects.
pub fn encode<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Vec<u8> {
    try_encode(kind, value).expect("records have a known, bounded size")
}

/// Encodes a value whose size depends on what clients sent.
///
/// # Errors
/// [`RecordError::TooLarge`], or [`RecordError::Payload`] for a type of unknown length.
pub fn try_encode<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Result<Vec<u8>, RecordError> {
    // Most records fit, and are written without a second allocation.
    let mut record = Vec::with_capacity(512);
    append(kind, value, &mut record)?;
    Ok(record)
}

/// Appends a value as a record.
///
/// # Errors
/// The same as [`try_encode`]. Then the appended bytes must be dropped.
pub fn append<T: Serialize + ?Sized>(kind: Kind, value: &T, to: &mut Vec<u8>) -> Result<(), RecordError> {
    let begins = begin(kind, to);
    bincode::serde::encode_into_std_write(value, to, BINCODE)
        .map_err(|error| RecordError::Payload(error.to_string()))?;
    finish(begins, to)
}

/// Wraps an encoded payload in a record.
///
/// # Panics
/// If it has more than [`MAX_PAYLOAD_BYTES`].
pub fn seal(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len() + TRAILER_BYTES);
    let begins = begin(kind, &mut record);
    record.extend_from_slice(payload);
    finish(begins, &mut record).expect("an encoded payload has a bounded size");
    record
}

fn begin(Kind(kind): Kind, to: &mut Vec<u8>) -> usize {
    let begins = to.len();
    to.push(FORMAT);
    to.extend_from_slice(&kind.to_le_bytes());
    to.extend_from_slice(&[0; 4]);
    begins
}

fn finish(begins: usize, to: &mut Vec<u8>) -> Result<(), RecordError> {
    let record = &mut to[begins..];
    let length = record.len() - HEADER_BYTES;
    if length > MAX_PAYLOAD_BYTES {
        return Err(RecordError::TooLarge(length));
    }
    let stored = u32::try_from(length).expect("MAX_PAYLOAD_BYTES fits in 32 bits");
    record[3..HEADER_BYTES].copy_from_slice(&stored.to_le_bytes());
    let checksum = crc32c::crc32c(record);
    to.extend_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Decodes the record that fills `bytes` exactly.
///
/// # Errors
/// See [`RecordError`].
pub fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, RecordError> {
    let payload = open(kind, bytes)?;
    let (value, used) = bincode::serde::decode_from_slice(payload, BINCODE)
        .map_err(|error| RecordError::Payload(error.to_string()))?;
    if used != payload.len() {
        return Err(RecordError::Payload(format!("{} bytes left over", payload.len() - used)));
    }
    Ok(value)
}

/// Returns the payload of the record that fills `bytes` exactly.
///
/// # Errors
/// See [`RecordError`].
pub fn open(kind: Kind, bytes: &[u8]) -> Result<&[u8], RecordError> {
    let (actual, payload, total) = open_first(bytes)?;
    if actual != kind {
        return Err(RecordError::Kind { expected: kind.0, actual: actual.0 });
    }
    if total != bytes.len() {
        return Err(RecordError::Trailing(bytes.len() - total));
    }
    Ok(payload)
}

/// The kind, the payload and the whole length of the record at the start of `bytes`.
///
/// # Errors
/// See [`RecordError`].
pub fn open_first(bytes: &[u8]) -> Result<(Kind, &[u8], usize), RecordError> {
    let total = whole_length(bytes)?;
    if bytes.len() < total {
        return Err(RecordError::Truncated { expected: total, actual: bytes.len() });
    }
    let (covered, checksum) = bytes[..total].split_at(total - TRAILER_BYTES);
    let expected = u32::from_le_bytes(checksum.try_into().expect("split at four bytes"));
    let actual = crc32c::crc32c(covered);
    if actual != expected {
        return Err(RecordError::Checksum { expected, actual });
    }
    let kind = Kind(u16::from_le_bytes([covered[1], covered[2]]));
    Ok((kind, &covered[HEADER_BYTES..], total))
}

/// The whole length of the record whose header is at the start of `bytes`.
///
/// # Errors
/// If the header is incomplete or of another format, or if the length is too large.
pub fn whole_length(bytes: &[u8]) -> Result<usize, RecordError> {
    if bytes.len() < HEADER_BYTES {
        return Err(RecordError::Truncated { expected: HEADER_BYTES + TRAILER_BYTES, actual: bytes.len() });
    }
    if bytes[0] != FORMAT {
        return Err(RecordError::Format(bytes[0]));
    }
    let length = u32::from_le_bytes(bytes[3..HEADER_BYTES].try_into().expect("four bytes")) as usize;
    if length > MAX_PAYLOAD_BYTES {
        return Err(RecordError::TooLarge(length));
    }
    Ok(HEADER_BYTES + length + TRAILER_BYTES)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_envelope_has_the_bytes_that_it_always_had() {
        let record = encode(Kind::ROW, &("nexus", 300_u32));
        let (head, checksum) = record.split_at(record.len() - TRAILER_BYTES);
        assert_eq!(head, [2, 5, 0, 9, 0, 0, 0, 5, b'n', b'e', b'x', b'u', b's', 251, 44, 1]);
        assert_eq!(checksum, [150, 154, 199, 92]);
    }

    #[test]
    fn a_value_comes_back_as_it_was() {
        let value = (7_u64, Some("text".to_owned()), vec![1_u8, 2, 3]);
        let record = encode(Kind::DOCUMENT, &value);
        assert_eq!(decode::<(u64, Option<String>, Vec<u8>)>(Kind::DOCUMENT, &record), Ok(value));
        assert_eq!(open(Kind::DOCUMENT, &seal(Kind::DOCUMENT, b"raw")), Ok(b"raw".as_slice()));
    }

    #[test]
    fn every_cut_is_called_truncated() {
        let record = encode(Kind::ROW, &"some text");
        for length in 0..record.len() {
            let error = decode::<String>(Kind::ROW, &record[..length]).unwrap_err();
            assert!(matches!(error, RecordError::Truncated { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let record = encode(Kind::ROW, &"some text");
        for at in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(decode::<String>(Kind::ROW, &damaged).is_err(), "bit {at}");
        }
    }

    #[test]
    fn another_kind_or_format_is_named() {
        let record = encode(Kind::ROW, &1_u8);
        assert_eq!(decode::<u8>(Kind::EVENT, &record), Err(RecordError::Kind { expected: 7, actual: 5 }));
        let mut newer = record.clone();
        newer[0] = FORMAT + 1;
        assert_eq!(decode::<u8>(Kind::ROW, &newer), Err(RecordError::Format(FORMAT + 1)));
        let mut longer = record;
        longer.push(0);
        assert_eq!(decode::<u8>(Kind::ROW, &longer), Err(RecordError::Trailing(1)));
    }

    #[test]
    fn a_damaged_length_does_not_ask_for_memory() {
        let mut record = encode(Kind::ROW, &1_u8);
        record[3..7].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode::<u8>(Kind::ROW, &record), Err(RecordError::TooLarge(u32::MAX as usize)));
    }
}
