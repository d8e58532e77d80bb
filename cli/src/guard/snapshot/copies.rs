//! Copies of files that git could not restore. Each is named by the hash of its content, and only its owner may read
//! it.

use crate::{config::atomic, confined::read_bytes};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Largest file of which a copy is kept, in bytes: sources are shorter.
pub(super) const MAX_FILE_BYTES: u64 = 512 << 10;

/// Most bytes of all copies of a run: beyond that, the oldest ones are deleted.
pub(super) const MAX_BYTES: u64 = 32 << 20;

/// Most copies of a run: beyond that, the oldest ones are deleted. Most sources are short.
const MAX_COPIES: usize = 20_000;

/// A copy that is not finished after this long never will be.
const UNFINISHED: Duration = Duration::from_secs(60);

/// The folder of the copies.
#[derive(Clone, Debug)]
pub(super) struct Copies {
    folder: PathBuf,
}

impl Copies {
    pub(super) const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn path(&self, hash: &str) -> PathBuf {
        self.folder.join(hash)
    }

    pub(super) fn has(&self, hash: &str) -> bool {
        self.path(hash).is_file()
    }

    /// Writes a copy unless it exists. Returns whether it was written. It is not synced: after a crash the hash in the
    /// name shows that a copy is incomplete, and a missing copy is reported when it is needed.
    pub(super) fn keep(&self, hash: &str, content: &[u8]) -> bool {
        if self.has(hash) {
            return false;
        }
        let new = self.folder.join(format!("{hash}.{}.tmp", std::process::id()));
        let written = atomic::make_private_folder(&self.folder)
            .and_then(|()| atomic::write_new(&new, content))
            .and_then(|()| fs::rename(&new, self.path(hash)));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        true
    }

    /// Deletes the oldest copies beyond the limits, and unfinished ones.
    pub(super) fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut all: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let (path, at) = (entry.path(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            let is_unfinished = path.extension().is_some_and(|end| end == "tmp");
            if !is_unfinished {
                all.push((at, meta.len(), path));
            } else if at.elapsed().is_ok_and(|age| age > UNFINISHED) {
                let _ = fs::remove_file(path);
            }
        }
        let mut bytes: u64 = all.iter().map(|(_, length, _)| length).sum();
        let mut count = all.len();
        all.sort();
        for (_, length, path) in all {
            if bytes <= MAX_BYTES && count <= MAX_COPIES {
                return;
            }
            if fs::remove_file(&path).is_ok() {
                bytes -= length;
                count -= 1;
            }
        }
    }
}

/// The name of a content: SHA-256 in hexadecimal digits.
pub(super) fn hashed(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a copy has the content of the hash in its name.
pub(super) fn is_whole(copy: &Path) -> bool {
    let content = read_bytes(copy, MAX_FILE_BYTES).ok();
    content.is_some_and(|content| copy.file_name().is_some_and(|name| *name == *hashed(&content)))
}
