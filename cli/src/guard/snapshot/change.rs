//! The differences from a snapshot, with the earlier contents.

use super::copies;
use std::path::PathBuf;

/// Most changes that are reported at once: one command does not change more.
const MAX_CHANGES: usize = 10_000;

/// A file that changed since the last snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileChange {
    /// Its path, from the root of the file system.
    pub(crate) path: PathBuf,
    /// The root of its work tree.
    pub(crate) top: PathBuf,
    /// Its earlier content, so that it can be restored.
    pub(crate) prior: PriorContent,
    /// Whether it changed since another commit was checked out.
    pub(crate) is_from_other_commit: bool,
}

/// The earlier content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PriorContent {
    /// The content that it has in this commit.
    Committed(String),
    /// The content of this copy.
    Kept(PathBuf),
    /// The file did not exist.
    Missing,
    /// A content of which no copy was kept.
    Unknown,
}

impl PriorContent {
    /// Whether it can still be restored: a copy may have been deleted, or be cut off by a crash.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Kept(copy) => copies::is_whole(copy),
            _ => true,
        }
    }
}

/// The differences from a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SnapshotDiff {
    /// The files that changed.
    pub(crate) changes: Vec<FileChange>,
    /// Why parts were not checked. Each reason ends a sentence.
    pub(crate) unchecked: Vec<String>,
}

impl SnapshotDiff {
    /// A result without any comparison, for this reason.
    pub(super) fn unchecked(why: impl Into<String>) -> Self {
        Self { changes: Vec::new(), unchecked: vec![why.into()] }
    }

    /// Adds the result of another comparison.
    pub(super) fn add(&mut self, other: Self) {
        self.changes.extend(other.changes);
        for reason in other.unchecked {
            if !self.unchecked.contains(&reason) {
                self.unchecked.push(reason);
            }
        }
        if self.changes.len() > MAX_CHANGES {
            self.changes.truncate(MAX_CHANGES);
            self.unchecked.push(format!("more than {MAX_CHANGES} files changed"));
        }
    }
}
