//! Compares two states of work trees.

use super::{
    change::{FileChange, PriorContent, SnapshotDiff},
    copies::{self, Copies},
    tree::{FileStamp, ObservedFile, TreeState},
};
use crate::{
    confined::read_bytes,
    git::{self, Git},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// Largest content that is compared with that of git line by line, in bytes: sources are shorter.
const MAX_COMPARED_BYTES: u64 = 1 << 20;

/// Most contents that are compared in this way: each needs a git process.
const MAX_COMPARED: usize = 32;

/// The changes in known trees, and in new repositories within their folders, in which every file
/// is new.
pub(super) fn changes(
    before: &[TreeState],
    now: &[TreeState],
    copies: &Copies,
    end: Instant,
) -> SnapshotDiff {
    let mut diff = SnapshotDiff::default();
    let mut inner: HashSet<PathBuf> = HashSet::new();
    for state in now {
        match before.iter().find(|known| known.is_of(&state.work_tree())) {
            Some(known) => diff.add(Comparison::new(known, state, copies, end).made()),
            None if inner.contains(state.top()) => diff.add(all_new(state)),
            // The tree belongs to another command, which has not begun.
            None => continue,
        }
        inner.extend(state.repositories());
    }
    for known in before.iter().filter(|known| !now.iter().any(|state| state.is_of(&known.work_tree()))) {
        diff.unchecked.push(format!("{} was not looked at again", known.top().display()));
    }
    diff
}

/// The changes in a new repository: all of its files.
fn all_new(state: &TreeState) -> SnapshotDiff {
    let paths = state.files.iter().map(|seen| &seen.path).chain(state.tracked.iter().map(|(path, _)| path));
    let changes = paths.map(|path| FileChange {
        path: state.top().join(path),
        top: state.top().to_owned(),
        prior: PriorContent::Missing,
        is_from_other_commit: false,
    });
    SnapshotDiff { changes: changes.collect(), unchecked: state.unchecked_reason().into_iter().collect() }
}

struct Comparison<'a> {
    before: &'a TreeState,
    now: &'a TreeState,
    copies: &'a Copies,
    git: Git,
    end: Instant,
    /// The files that were observed one by one before.
    files: HashMap<&'a Path, &'a ObservedFile>,
    /// The files that differ between the two commits, and whether the first one has the file.
    history: BTreeMap<PathBuf, bool>,
    found: BTreeMap<PathBuf, FileChange>,
    unchecked: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn new(before: &'a TreeState, now: &'a TreeState, copies: &'a Copies, end: Instant) -> Self {
        Self {
            files: before.files.iter().map(|seen| (seen.path.as_ref(), seen)).collect(),
            git: Git::in_tree(&now.work_tree()).until(end),
            history: BTreeMap::new(),
            found: BTreeMap::new(),
            unchecked: now.unchecked_reason().into_iter().collect(),
            before,
            now,
            copies,
            end,
        }
    }

    fn made(mut self) -> SnapshotDiff {
        self.find_history();
        let mut listed: BTreeSet<&Path> = BTreeSet::new();
        for seen in &self.now.files {
            listed.insert(seen.path.as_ref());
            self.compare(seen);
        }
        for seen in &self.before.files {
            if !listed.contains(seen.path.as_ref())
                && !self.is_as_it_was(seen, self.stamp(seen.path.as_ref()))
            {
                self.add(seen.path.as_ref(), self.prior(seen), false);
            }
        }
        self.compare_tracked(&listed);
        for (path, was_there) in self.history.clone() {
            let stamp = self.stamp(&path);
            let is_as_it_was =
                self.files.get(path.as_path()).is_some_and(|seen| self.is_as_it_was(seen, stamp))
                    || self.before.tracked(&path) == Some(stamp);
            if !is_as_it_was {
                let prior = if was_there { self.committed() } else { PriorContent::Missing };
                self.add(&path, prior, true);
            }
        }
        SnapshotDiff { changes: self.found.into_values().collect(), unchecked: self.unchecked }
    }

    /// Finds the files that differ between the two checked-out commits.
    fn find_history(&mut self) {
        if let (Some(before), Some(now)) = (&self.before.head, &self.now.head)
            && before != now
        {
            match git::changed_between(&self.git, before, now) {
                Ok(changed) => self.history = changed.into_iter().collect(),
                Err(error) => {
                    self.unchecked.push(format!("what came with another commit is unknown ({error})"));
                }
            }
        }
    }

    /// Compares a file that now differs from HEAD according to git.
    fn compare(&mut self, seen: &ObservedFile) {
        let path: &Path = seen.path.as_ref();
        if let Some(before) = self.files.get(path) {
            if !self.is_as_it_was(before, seen.stamp) {
                self.add(path, self.prior(before), false);
            }
            return;
        }
        let tracked = self.before.tracked(path);
        // Only its entry in the index differs, or HEAD does.
        let is_same_file = tracked == Some(seen.stamp);
        if is_same_file && (!seen.is_staged || self.history.contains_key(path)) {
            return;
        }
        // The file was not observed before: only its change time can be compared.
        if tracked.is_none() && self.before.is_cut && !self.is_since(path) {
            return;
        }
        let prior = match (tracked, self.history.get(path)) {
            // A submodule at another commit has no content to restore.
            _ if seen.stamp == FileStamp::FOLDER => PriorContent::Unknown,
            (Some(FileStamp::MISSING), _) => PriorContent::Missing,
            (Some(_), _) | (None, Some(true)) => self.committed(),
            (None, Some(false)) => PriorContent::Missing,
            (None, None) if seen.is_in_head => self.committed(),
            (None, None) => PriorContent::Missing,
        };
        self.add(path, prior, false);
    }

    /// Compares files that are as in HEAD according to git, but have another stamp: flags, filters and settings of git
    /// can hide a change, or the file was rewritten with the same content.
    fn compare_tracked(&mut self, listed: &BTreeSet<&Path>) {
        let mut suspects: Vec<&Path> = Vec::new();
        // Both lists are in the order of the index, and mostly the same.
        let mut seen = self.now.tracked.iter().peekable();
        for (path, stamp) in &self.before.tracked {
            let path: &Path = path.as_ref();
            let known = seen.next_if(|(now, _)| now.as_ref() == path).map(|(_, stamp)| *stamp);
            if known == Some(*stamp) || listed.contains(path) || self.history.contains_key(path) {
                continue;
            }
            let now = known.unwrap_or_else(|| self.stamp(path));
            if now == *stamp {
                continue;
            }
            if *stamp == FileStamp::MISSING {
                self.add(path, PriorContent::Missing, false);
            } else if now == FileStamp::MISSING {
                self.add(path, self.committed(), false);
            } else {
                suspects.push(path);
            }
        }
        let Some(head) = self.before.head.clone().filter(|_| !suspects.is_empty()) else { return };
        let changed = self.written_otherwise(&head, &suspects).unwrap_or_else(|error| {
            let count = suspects.len();
            self.unchecked.push(format!("{count} files that were written anew cannot be compared ({error})"));
            suspects
        });
        for path in changed {
            self.add(path, self.committed(), false);
        }
    }

    /// The files whose content differs from the one in a commit, apart from line ends.
    fn written_otherwise<'p>(
        &self,
        head: &str,
        suspects: &[&'p Path],
    ) -> Result<Vec<&'p Path>, crate::error::Error> {
        let wanted: BTreeSet<&Path> = suspects.iter().copied().collect();
        let blobs = git::blobs(&self.git, head, &wanted)?;
        // Git cannot be asked in this way about other than plain files, or names with line ends.
        let is_plain = |path: &&&Path| {
            let is_file = fs::symlink_metadata(self.now.top().join(path)).is_ok_and(|meta| meta.is_file());
            is_file && !path.as_os_str().as_encoded_bytes().contains(&b'\n')
        };
        let (plain, mut others): (Vec<&Path>, Vec<&Path>) = suspects.iter().partition(is_plain);
        let absolute: Vec<PathBuf> = plain.iter().map(|path| self.now.top().join(path)).collect();
        let hashes = git::raw_hashes(&self.git, &absolute)?;
        let mut hashes = hashes.iter();
        others.extend(
            plain.into_iter().filter(|path| hashes.next().is_none_or(|hash| blobs.get(*path) != Some(hash))),
        );
        let mut compared = 0;
        others.retain(|path| {
            compared += 1;
            let Some(blob) = blobs.get(*path).filter(|_| compared <= MAX_COMPARED) else { return true };
            !self.is_content(path, blob)
        });
        Ok(others)
    }

    /// Whether a file has the content of this git blob, apart from line ends.
    fn is_content(&self, path: &Path, blob: &str) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        let path = self.now.top().join(path);
        let here = match fs::read_link(&path) {
            Ok(target) => target.as_os_str().as_encoded_bytes().to_vec(),
            Err(_) => match read_bytes(&path, MAX_COMPARED_BYTES) {
                Ok(content) => content,
                Err(_) => return false,
            },
        };
        let lines = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != b'\r').collect::<Vec<u8>>();
        self.git.bytes(&["cat-file", "blob", blob]).is_ok_and(|there| lines(&there) == lines(&here))
    }

    fn add(&mut self, path: &Path, prior: PriorContent, is_from_other_commit: bool) {
        let change = FileChange {
            path: self.now.top().join(path),
            top: self.now.top().to_owned(),
            prior,
            is_from_other_commit,
        };
        self.found.entry(path.to_owned()).or_insert(change);
    }

    fn stamp(&self, path: &Path) -> FileStamp {
        FileStamp::of(&self.now.top().join(path))
    }

    fn committed(&self) -> PriorContent {
        self.before.head.clone().map_or(PriorContent::Unknown, PriorContent::Committed)
    }

    fn is_as_it_was(&self, before: &ObservedFile, stamp: FileStamp) -> bool {
        if stamp == before.stamp {
            return true;
        }
        let path = self.now.top().join(&before.path);
        let content = before.hash.as_ref().and_then(|_| read_bytes(&path, copies::MAX_FILE_BYTES).ok());
        content.is_some_and(|content| before.hash.as_ref() == Some(&copies::hashed(&content)))
    }

    fn prior(&self, before: &ObservedFile) -> PriorContent {
        match (before.stamp, &before.hash) {
            (FileStamp::MISSING, _) => PriorContent::Missing,
            (_, Some(hash)) if self.copies.has(hash) => PriorContent::Kept(self.copies.path(hash)),
            _ => PriorContent::Unknown,
        }
    }

    /// Whether a file changed since it was observed, by its change time, which no program can set.
    fn is_since(&self, path: &Path) -> bool {
        let Ok(meta) = fs::symlink_metadata(self.now.top().join(path)) else { return true };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let changed = meta.ctime().saturating_mul(1_000).saturating_add(meta.ctime_nsec() / 1_000_000);
            u64::try_from(changed).is_ok_and(|changed| changed >= self.before.at)
        }
        #[cfg(not(unix))]
        meta.modified().map_or(true, |at| {
            let since = at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
            since.as_millis() >= u128::from(self.before.at)
        })
    }
}
