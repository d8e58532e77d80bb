//! The hash of every stored row, in memory. So the digest of all rows can be updated without reading a replaced row
//! back.

use super::progress::{RowsDigest, hash_row};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};
use xxhash_rust::xxh3::xxh3_128;

/// The hash of each row by a hash of its key: about 40 bytes for each row. It is the hash of the stored bytes, not of
/// those that would be written now, since another version may have written them.
#[derive(Default)]
pub(crate) struct RowHashes(HashMap<u128, u64, BuildHasherDefault<Spread>>);

impl RowHashes {
    /// Adds a row that was found in storage.
    pub(crate) fn found(&mut self, digest: &mut RowsDigest, key: &[u8], value: &[u8]) {
        self.replace(digest, key, Some(value));
    }

    /// Replaces the row of a key; `None` removes it.
    pub(crate) fn replace(&mut self, digest: &mut RowsDigest, key: &[u8], value: Option<&[u8]>) {
        let name = xxh3_128(key);
        let before = match value {
            Some(value) => {
                let hash = hash_row(key, value);
                digest.add(hash);
                self.0.insert(name, hash)
            }
            None => self.0.remove(&name),
        };
        if let Some(before) = before {
            digest.remove(before);
        }
    }
}

/// A hasher for keys that are hashes already.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        // It is truncated on purpose: half of a hash is a hash.
        #[allow(clippy::cast_possible_truncation)]
        let half = key as u64;
        self.0 = half;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_rows_that_are_there() {
        let (mut row_hashes, mut digest) = (RowHashes::default(), RowsDigest::default());
        row_hashes.replace(&mut digest, b"a", Some(b"1"));
        row_hashes.replace(&mut digest, b"b", Some(b"1"));
        row_hashes.replace(&mut digest, b"a", Some(b"2"));
        row_hashes.replace(&mut digest, b"b", None);
        row_hashes.replace(&mut digest, b"c", None);
        let (mut again, mut expected) = (RowHashes::default(), RowsDigest::default());
        again.found(&mut expected, b"a", b"2");
        assert_eq!(digest, expected);
    }
}
