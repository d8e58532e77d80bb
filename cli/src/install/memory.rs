//! The content that files of others had before Nexus changed them. It is stored beside the login, and only where
//! removing Nexus again would not restore every byte, as in a compact or an empty file. Created folders are remembered,
//! too.

use crate::{
    config::{atomic, home, stored::StoredPath},
    confined::ConfinedDir,
    error::Error,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Bytes of a checksum that are stored: enough to tell texts apart, not to withstand a forger.
const CHECKSUM_BYTES: usize = 8;

/// The beginning of the SHA-256 of a text, whatever its ends of lines are: git may change them.
pub(super) fn checksum(text: &str) -> String {
    beginning(text.replace('\r', "").as_bytes())
}

fn beginning(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().take(CHECKSUM_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// The stored facts about a file that Nexus changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    path: StoredPath,
    /// The content before Nexus changed it.
    pub(super) before: String,
    /// The checksum of the content that Nexus wrote.
    after: String,
}

impl Memory {
    /// A file with this content before and that content now.
    pub(super) fn new(path: &Path, before: String, after: &str) -> Self {
        Self { path: StoredPath(whole(path)), before, after: checksum(after) }
    }

    /// Reads the stored facts about a file; `None` if there are none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let memory: Self = serde_json::from_slice(&fs::read(file(path)?).ok()?).ok()?;
        (memory.path.0 == whole(path)).then_some(memory)
    }

    /// Whether the file was not changed since it was written.
    pub(super) fn is_of(&self, text: &str) -> bool {
        self.after == checksum(text)
    }

    /// Stores it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self) -> io::Result<()> {
        let Some(file) = file(&self.path.0) else { return Ok(()) };
        file.parent().map_or(Ok(()), atomic::make_private_folder)?;
        let text = serde_json::to_vec(self)?;
        // Settings of others may hold a key of theirs.
        atomic::write(&file, &text)
    }

    /// Deletes the stored facts about a file.
    pub(super) fn forget(path: &Path) {
        if let Some(file) = file(path) {
            // Mostly nothing is stored.
            let _ = fs::remove_file(file);
        }
    }
}

/// Creates a folder, and remembers which folders on its path it created: only these are deleted again.
///
/// # Errors
/// When it cannot be made or remembered.
pub(super) fn make_folder(dir: &ConfinedDir, folder: &Path) -> Result<(), Error> {
    for made in dir.make_folder(folder)? {
        let made = dir.root().join(made);
        if let Some(mark) = mark(&made) {
            mark.parent()
                .map_or(Ok(()), atomic::make_private_folder)
                .and_then(|()| atomic::write(&mark, b""))
                .map_err(|error| Error::local(format!("cannot remember {}: {error}", made.display())))?;
        }
    }
    Ok(())
}

/// Deletes a folder that was created for files of Nexus and is empty now. Returns whether it did.
pub(super) fn remove_folder(dir: &ConfinedDir, folder: &Path) -> bool {
    let Some(mark) = mark(&dir.root().join(folder)).filter(|mark| mark.exists()) else { return false };
    if !dir.remove_empty_folder(folder) {
        return false;
    }
    // If the mark cannot be removed, it does no harm.
    let _ = fs::remove_file(&mark);
    let _ = mark.parent().map(fs::remove_dir);
    true
}

/// The file that remembers that a folder was created.
fn mark(folder: &Path) -> Option<PathBuf> {
    kept(folder, "made")
}

fn file(path: &Path) -> Option<PathBuf> {
    kept(path, "json")
}

fn kept(path: &Path, end: &str) -> Option<PathBuf> {
    // The name depends on the bytes of the path, since paths that are no UTF-8 may be displayed alike.
    let name = format!("{}.{end}", beginning(whole(path).as_os_str().as_encoded_bytes()));
    Some(home::folder().ok()?.join("installed").join(name))
}

/// One path for each file, without links. A path that does not exist stays as it is.
fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    #[test]
    fn a_file_whose_name_is_no_text_is_remembered_as_any_other() {
        let named = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let memory = Memory::new(&named(b"/nowhere/\xff.json"), "before".to_owned(), "after");
        let kept = serde_json::to_vec(&memory).unwrap();
        assert_eq!(serde_json::from_slice::<Memory>(&kept).unwrap(), memory);
        assert_ne!(file(&named(b"/nowhere/\xff.json")), file(&named(b"/nowhere/\xfe.json")), "two files");
    }
}
