//! Reads a backup of a store in ranges, so that the time-out of one request never covers a whole file.

use super::destination::Destination;
use anyhow::{Context, ensure};
use bytes::Bytes;
use object_store::{ObjectStoreExt as _, path::Path as Location};

/// Bytes of one request: they get through a line of a few hundred kbit/s within the time-out of a request.
const RANGE_BYTES: u64 = 8 << 20;

/// Reads a file of a store from its beginning to its end. The caller checks that it was not replaced meanwhile: a
/// backup has a checksum over all of it.
pub(super) struct RangeReader<'a> {
    destination: &'a Destination,
    location: Location,
    next: u64,
    length: u64,
}

impl<'a> RangeReader<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// When the store does not have it, or does not answer.
    pub(super) async fn open(destination: &'a Destination, name: impl ToString) -> anyhow::Result<Self> {
        let location = destination.location(name);
        let length = destination.store.head(&location).await?.size;
        Ok(Self { destination, location, next: 0, length })
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When the store does not answer, or has less than it said.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        if self.next >= self.length {
            return Ok(None);
        }
        let end = self.length.min(self.next.saturating_add(RANGE_BYTES));
        let range = self.next..end;
        let piece = self.destination.store.get_range(&self.location, range).await;
        let piece =
            piece.with_context(|| format!("cannot read {} from byte {}", self.location, self.next))?;
        ensure!(
            piece.len() as u64 == end - self.next,
            "the store returned a part of another length than asked"
        );
        self.next = end;
        Ok(Some(piece))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[tokio::test]
    async fn pieces_follow_each_other_and_make_the_whole() {
        let store = Arc::new(InMemory::new());
        let destination = Destination::of_test(store.clone());
        for length in [0, 1, 8 << 20, (8 << 20) + 1, 20 << 20] {
            let whole: Vec<u8> = (0..251).cycle().take(length).collect();
            store.put(&destination.location("whole"), whole.clone().into()).await.unwrap();
            let mut reader = RangeReader::open(&destination, "whole").await.unwrap();
            let mut read = Vec::new();
            while let Some(piece) = reader.next().await.unwrap() {
                assert!(piece.len() as u64 <= RANGE_BYTES);
                read.extend_from_slice(&piece);
            }
            assert!(read == whole, "{length} bytes");
        }
        assert!(RangeReader::open(&destination, "missing").await.is_err());
    }
}
