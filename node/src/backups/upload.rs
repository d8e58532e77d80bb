//! Writes a backup into a store, reads it back, and checks it. It gets its name only when all of it is there: a folder
//! has it under another name until then, and a bucket has parts that nobody sees.

use super::{destination::Destination, name::BackupName, ranges::RangeReader};
use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use nexus_raft_store::check_backup;
use object_store::{ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use std::{path::Path, pin::pin};
use tokio::io::AsyncWriteExt as _;

/// Bytes of a part, of which a few are in memory. S3 takes none below five MiB.
const MIN_PART_BYTES: u64 = 8 << 20;
/// Parts of the largest backup. S3 takes ten thousand.
const MAX_PARTS: u64 = 9_000;
/// Parts that are under way at once.
const PARTS_AT_ONCE: usize = 2;

/// The SHA-256 of a whole backup.
pub(crate) type Digest = [u8; 32];

/// Writes a backup. Right before it gets its name, `is_wanted` decides whether it shall have it. Returns the hash of
/// what was written; none if it was not wanted any more.
///
/// # Errors
/// When the backup cannot be read, or the store does not take it. Then it has no name.
pub(crate) async fn write(
    destination: &Destination,
    name: BackupName,
    length: u64,
    pieces: impl Stream<Item = anyhow::Result<Bytes>>,
    is_wanted: impl AsyncFnOnce() -> anyhow::Result<bool>,
) -> anyhow::Result<Option<Digest>> {
    let part = usize::try_from(MIN_PART_BYTES.max(length.div_ceil(MAX_PARTS))).unwrap_or(usize::MAX);
    let upload = destination.store.put_multipart(&destination.location(name)).await?;
    let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
    let written = async {
        let (mut hash, mut sent) = (Sha256::new(), 0);
        let mut pieces = pin!(pieces);
        while let Some(piece) = pieces.try_next().await? {
            hash.update(&piece);
            sent += piece.len() as u64;
            writer.wait_for_capacity(PARTS_AT_ONCE).await?;
            writer.put(piece);
        }
        ensure!(sent == length, "it has {sent} bytes in place of {length}");
        Ok((hash.finalize().into(), is_wanted().await?))
    };
    match written.await {
        Ok((digest, true)) => {
            writer.finish().await?;
            Ok(Some(digest))
        }
        Ok((_, false)) => {
            writer.abort().await?;
            Ok(None)
        }
        Err(error) => {
            // The first error is the one to report.
            let _ = writer.abort().await;
            Err(error)
        }
    }
}

/// Reads a backup back, and checks that it is what was written. With `spool`, its records are checked too, by way of
/// that file, which is gone afterwards.
///
/// # Errors
/// When it is not what was written, or cannot be read.
pub(crate) async fn verify(
    destination: &Destination,
    name: BackupName,
    expected: Digest,
    spool: Option<&Path>,
) -> anyhow::Result<()> {
    let Some(spool) = spool else { return read_back(destination, name, expected, None).await };
    let checked = async {
        let mut file = tokio::fs::OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(spool).await?;
        read_back(destination, name, expected, Some(&mut file)).await?;
        let path = spool.to_owned();
        let contents = tokio::task::spawn_blocking(move || check_backup(&path)).await??;
        ensure!(
            (contents.cluster, contents.revision) == (Some(name.cluster), name.revision),
            "it has another content than its name says"
        );
        Ok(())
    };
    let checked = checked.await;
    // It may not even have been made.
    let _ = tokio::fs::remove_file(spool).await;
    checked
}

async fn read_back(
    destination: &Destination,
    name: BackupName,
    expected: Digest,
    mut copy: Option<&mut tokio::fs::File>,
) -> anyhow::Result<()> {
    let unreadable = "it cannot be read back";
    let mut pieces = RangeReader::open(destination, name).await.context(unreadable)?;
    let mut hash = Sha256::new();
    while let Some(piece) = pieces.next().await.context(unreadable)? {
        hash.update(&piece);
        if let Some(copy) = &mut copy {
            copy.write_all(&piece).await?;
        }
    }
    if let Some(copy) = copy {
        copy.flush().await?;
    }
    ensure!(hash.finalize()[..] == expected[..], "what the store returns is not what was written");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::backups::{catalog, destination::Address};
    use futures::stream;
    use nexus_domain::{ClusterId, NodeId, Revision, WallTime};
    use object_store::{PutPayload, memory::InMemory};
    use std::sync::Arc;
    use uuid::Uuid;

    fn name() -> BackupName {
        BackupName::new(ClusterId(Uuid::from_u128(1)), NodeId(1), WallTime(0), Revision(1))
    }

    fn pieces(count: usize, then: Option<&'static str>) -> (u64, impl Stream<Item = anyhow::Result<Bytes>>) {
        let whole = stream::iter(
            (0..count).map(|at| Ok(Bytes::from(vec![u8::try_from(at % 251).unwrap(); 1 << 20]))),
        );
        let length = (count as u64) << 20;
        (length, futures::StreamExt::chain(whole, stream::iter(then.map(|why| Err(anyhow::anyhow!(why))))))
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_and_a_changed_byte_is_found() {
        let store = Arc::new(InMemory::new());
        let destination = Destination::of_test(store.clone());
        let (length, source) = pieces(20, None);
        let digest = write(&destination, name(), length, source, async || Ok(true)).await.unwrap().unwrap();
        verify(&destination, name(), digest, None).await.unwrap();
        let location = destination.location(name());
        let mut changed = store.get(&location).await.unwrap().bytes().await.unwrap().to_vec();
        assert_eq!(changed.len() as u64, length);
        changed[12_345_678] ^= 1;
        store.put(&location, PutPayload::from(changed)).await.unwrap();
        let error = verify(&destination, name(), digest, None).await.unwrap_err();
        assert!(error.to_string().contains("not what was written"), "{error}");
    }

    #[tokio::test]
    async fn nothing_has_a_name_before_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let in_folder = Address::Folder(folder.path().to_owned()).open().unwrap();
        for destination in [Destination::of_test(Arc::new(InMemory::new())), in_folder] {
            let (length, source) = pieces(10, None);
            let not_yet = async || {
                assert_eq!(catalog::list(&destination).await.unwrap(), [], "all of it is sent");
                Ok(false)
            };
            assert_eq!(write(&destination, name(), length, source, not_yet).await.unwrap(), None);
            let (length, source) = pieces(10, Some("the disk fails"));
            let failed = write(&destination, name(), length, source, async || Ok(true)).await;
            assert!(failed.unwrap_err().to_string().contains("the disk fails"));
            let (length, source) = pieces(10, None);
            assert!(write(&destination, name(), length + 1, source, async || Ok(true)).await.is_err());
            assert_eq!(catalog::list(&destination).await.unwrap(), []);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
