//! The state of a work tree at one moment.

use super::{
    copies::{self, Copies},
    run_folder::now_ms,
};
use crate::{
    config::stored::StoredPath,
    confined::read_bytes,
    git::{self, Git, Indexed, Status, WorkTree},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Most files that differ from HEAD and are checked one by one: people do not change more.
const MAX_FILES: usize = 20_000;

/// Most files as in HEAD that are checked one by one, in 100 ms. With more files, git reports which changed.
const MAX_TRACKED: usize = 50_000;

/// Most bytes that are read and kept for one command: a few milliseconds of reading and hashing.
const MAX_READ_BYTES: u64 = 8 << 20;

/// The longest time that contents are read and kept for one command, which waits for it.
const LONGEST_READING: Duration = Duration::from_millis(500);

/// Whether contents that git could not restore are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// They are read, and copies of them are kept.
    Kept,
    /// They are not read: nothing will be compared with this state.
    Unread,
}

/// The observed state of a work tree.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TreeState {
    top: StoredPath,
    /// The commit that was checked out.
    pub(super) head: Option<String>,
    /// The files that differed from it, and those that git is configured not to compare. Names are from the root, here
    /// and below.
    pub(super) files: Vec<ObservedFile>,
    /// The files that were as in it.
    pub(super) tracked: Vec<(StoredPath, FileStamp)>,
    /// The error if git did not answer.
    pub(super) failure: Option<String>,
    /// Whether more files differed than were checked.
    pub(super) is_cut: bool,
    /// Other repositories in folders of it.
    repositories: Vec<StoredPath>,
    /// The time, in milliseconds of the Unix epoch.
    pub(super) at: u64,
}

/// A file that was observed by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ObservedFile {
    pub(super) path: StoredPath,
    pub(super) stamp: FileStamp,
    /// SHA-256 of its content, in hexadecimal digits, and the name of its copy.
    pub(super) hash: Option<String>,
    /// Whether HEAD has it.
    pub(super) is_in_head: bool,
    /// Whether it differs between the index and HEAD.
    pub(super) is_staged: bool,
    /// Whether it differs according to git.
    pub(super) is_listed: bool,
}

/// The inode and the change time of a file in one number, which no program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileStamp(u64);

impl FileStamp {
    /// There is no file.
    pub(super) const MISSING: Self = Self(0);

    /// The stamp of every folder: a folder does not change by itself.
    pub(super) const FOLDER: Self = Self(1);

    /// The stamp of a file. A symbolic link is not followed.
    pub(super) fn of(path: &Path) -> Self {
        let Ok(meta) = fs::symlink_metadata(path) else { return Self::MISSING };
        if meta.is_dir() {
            return Self::FOLDER;
        }
        let mut hasher = DefaultHasher::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            (meta.dev(), meta.ino(), meta.len(), meta.mode()).hash(&mut hasher);
            (meta.ctime(), meta.ctime_nsec(), meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
        }
        #[cfg(not(unix))]
        (meta.len(), meta.modified().ok()).hash(&mut hasher);
        Self(hasher.finish() | 2)
    }
}

/// The remaining budget for reading.
#[derive(Debug)]
pub(super) struct ReadBudget {
    bytes: u64,
    end: Instant,
    /// Whether copies were written.
    pub(super) has_written: bool,
}

impl ReadBudget {
    /// The budget of a check that ends then; zero if nothing is to be read.
    pub(super) fn new(end: Instant, is_read: bool) -> Self {
        let bytes = if is_read { MAX_READ_BYTES } else { 0 };
        Self { bytes, end: end.min(Instant::now() + LONGEST_READING), has_written: false }
    }
}

/// Reads the stamps of files, while git makes its own comparison.
fn stamped(top: &Path, indexed: Vec<Indexed>) -> Vec<(Indexed, FileStamp)> {
    let mut path = top.join("_");
    let stamp = |file: Indexed| {
        path.clear();
        path.push(top);
        path.push(&file.path);
        let stamp = FileStamp::of(&path);
        (file, stamp)
    };
    indexed.into_iter().map(stamp).collect()
}

impl TreeState {
    /// Observes a tree without reading contents. A state that nothing will be compared with uses the known names.
    pub(super) fn take(tree: &WorkTree, known: Option<&Self>, end: Instant, contents: Contents) -> Self {
        let mut state = Self {
            top: StoredPath(tree.top.clone()),
            head: None,
            files: Vec::new(),
            tracked: Vec::new(),
            failure: None,
            is_cut: false,
            repositories: Vec::new(),
            at: now_ms(),
        };
        if WorkTree::at(&tree.top).is_none() {
            state.fill_without(&tree.top, known, "it is no work tree any more");
            // Without its folder all of its files are gone: git is not needed.
            state.failure.take_if(|_| tree.top.symlink_metadata().is_err());
            return state;
        }
        let git = Git::in_tree(tree).until(end);
        let (status, indexed) = thread::scope(|scope| {
            let indexed = scope.spawn(|| {
                match known.filter(|_| contents == Contents::Unread) {
                    Some(known) => Ok(known.indexed()),
                    None => git::indexed(&git),
                }
                .map(|indexed| stamped(&tree.top, indexed))
            });
            let status = git::status(&git);
            (status, indexed.join())
        });
        match (status, indexed) {
            (Ok(status), Ok(Ok(indexed))) => state.fill(&tree.top, status, indexed),
            (Err(error), _) | (_, Ok(Err(error))) => state.fill_without(&tree.top, known, &error.to_string()),
            (_, Err(_)) => state.fill_without(&tree.top, known, "its index cannot be read"),
        }
        state
    }

    /// The files of the index that were compared, and the repositories.
    fn indexed(&self) -> Vec<Indexed> {
        let file = |path: &StoredPath, is_repository| Indexed {
            path: path.0.clone(),
            is_compared: true,
            is_repository,
        };
        let files = self.tracked.iter().map(|(path, _)| file(path, false));
        files.chain(self.repositories.iter().map(|path| file(path, true))).collect()
    }

    fn fill(&mut self, top: &Path, status: Status, indexed: Vec<(Indexed, FileStamp)>) {
        self.head = status.head;
        let mut listed: HashMap<PathBuf, usize> = HashMap::new();
        for entry in status.entries {
            if entry.is_repository {
                self.repositories.push(StoredPath(entry.path.components().collect()));
                if !entry.is_in_head && !entry.is_staged {
                    // The files of another repository belong to its own state.
                    continue;
                }
            }
            // A file that was only removed from the index is listed twice.
            if let Some(at) = listed.get(&entry.path) {
                let seen: &mut ObservedFile = &mut self.files[*at];
                seen.is_in_head |= entry.is_in_head;
                seen.is_staged |= entry.is_staged;
                continue;
            }
            if self.files.len() == MAX_FILES {
                self.is_cut = true;
                break;
            }
            listed.insert(entry.path.clone(), self.files.len());
            self.files.push(ObservedFile {
                stamp: FileStamp::of(&top.join(&entry.path)),
                path: StoredPath(entry.path),
                hash: None,
                is_in_head: entry.is_in_head,
                is_staged: entry.is_staged,
                is_listed: true,
            });
        }
        for (file, stamp) in indexed {
            if file.is_repository {
                let path = StoredPath(file.path);
                if !self.repositories.contains(&path) {
                    self.repositories.push(path);
                }
                continue;
            }
            if listed.contains_key(&file.path) {
                continue;
            }
            if file.is_compared || stamp == FileStamp::MISSING {
                if self.tracked.len() < MAX_TRACKED {
                    self.tracked.push((StoredPath(file.path), stamp));
                }
            } else if self.files.len() < MAX_FILES {
                self.files.push(ObservedFile {
                    path: StoredPath(file.path),
                    stamp,
                    hash: None,
                    is_in_head: true,
                    is_staged: false,
                    is_listed: false,
                });
            } else {
                self.is_cut = true;
            }
        }
    }

    /// Observes the known files without git, which does not answer.
    fn fill_without(&mut self, top: &Path, known: Option<&Self>, why: &str) {
        self.failure = Some(why.to_owned());
        let Some(known) = known else { return };
        let stamp = |path: &StoredPath| FileStamp::of(&top.join(path));
        self.head.clone_from(&known.head);
        self.repositories.clone_from(&known.repositories);
        self.files = known
            .files
            .iter()
            .map(|seen| ObservedFile { stamp: stamp(&seen.path), hash: None, ..seen.clone() })
            .collect();
        self.tracked = known.tracked.iter().map(|(path, _)| (path.clone(), stamp(path))).collect();
    }

    /// Reads contents that git could not restore, within the budget, and keeps copies. A file that was read before and
    /// is the same is not read again.
    pub(super) fn read(&mut self, known: Option<&Self>, copies: &Copies, budget: &mut ReadBudget) {
        if budget.bytes == 0 {
            return;
        }
        let known: HashMap<&StoredPath, &ObservedFile> =
            known.iter().flat_map(|known| &known.files).map(|seen| (&seen.path, seen)).collect();
        for seen in &mut self.files {
            if matches!(seen.stamp, FileStamp::MISSING | FileStamp::FOLDER) {
                continue;
            }
            let before = known.get(&seen.path).filter(|known| known.stamp == seen.stamp);
            if let Some(hash) = before.and_then(|known| known.hash.as_ref()).filter(|hash| copies.has(hash)) {
                seen.hash = Some(hash.clone());
                continue;
            }
            if budget.bytes == 0 || Instant::now() >= budget.end {
                continue;
            }
            let limit = copies::MAX_FILE_BYTES.min(budget.bytes);
            let Ok(content) = read_bytes(&self.top.0.join(&seen.path), limit) else { continue };
            budget.bytes = budget.bytes.saturating_sub(content.len() as u64);
            let hash = copies::hashed(&content);
            budget.has_written |= copies.keep(&hash, &content);
            seen.hash = Some(hash);
        }
    }

    /// The stamp of a file that was as in HEAD.
    pub(super) fn tracked(&self, path: &Path) -> Option<FileStamp> {
        // In the order of the index, which is that of bytes.
        let wanted = path.as_os_str().as_encoded_bytes();
        let found =
            self.tracked.binary_search_by(|(path, _)| path.0.as_os_str().as_encoded_bytes().cmp(wanted));
        found.ok().map(|at| self.tracked[at].1)
    }

    /// The root of the tree.
    pub(super) fn top(&self) -> &Path {
        &self.top.0
    }

    pub(super) fn work_tree(&self) -> WorkTree {
        WorkTree { top: self.top.0.clone() }
    }

    pub(super) fn is_of(&self, tree: &WorkTree) -> bool {
        self.top.0 == tree.top
    }

    /// Other repositories in folders of it.
    pub(super) fn repositories(&self) -> impl Iterator<Item = PathBuf> {
        self.repositories.iter().map(|path| self.top.0.join(path))
    }

    /// Why parts of it were not checked.
    pub(super) fn unchecked_reason(&self) -> Option<String> {
        let top = self.top.0.display();
        match &self.failure {
            Some(why) => Some(format!("of {top} git says nothing ({why})")),
            None if self.is_cut => Some(format!("more than {MAX_FILES} files of {top} differ from HEAD")),
            None => None,
        }
    }
}
