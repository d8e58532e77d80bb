//! What a working tree was like before a command, and what is different after it. Goes by content, and by inode and
//! change time, which no program sets as it likes; never by the time of modification, which `tar` and `touch` set.
//!
//! What Git has is not kept: only where HEAD was. Of what differs from HEAD a copy is kept in the run's own folder, since
//! Git could not give it back.

use super::changes::{self, MAX_CHANGED};
use crate::{config::atomic, confined::read_bytes, git::Git};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

/// The longest file of which a copy is kept: sources are shorter.
const MAX_FILE_BYTES: u64 = 512 << 10;

/// Bytes that are read and kept for one command: a few milliseconds of reading and hashing.
const MAX_READ_BYTES: u64 = 8 << 20;

/// Bytes of all copies of a run; beyond, the oldest go.
const MAX_KEPT_BYTES: u64 = 32 << 20;

/// How long the look before a command may take: its host waits ten seconds for all of the hook.
const LONGEST: Duration = Duration::from_secs(2);

/// What was seen before a command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    root: PathBuf,
    /// The commit that was checked out.
    head: Option<String>,
    /// What differed from it.
    files: Vec<Seen>,
    /// Whether there was more than was looked at.
    is_cut: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    path: PathBuf,
    /// Inode, times and size; none if there was no such file.
    stat: Option<String>,
    /// SHA-256 of its content, in hexadecimal digits, and the name of its copy.
    hash: Option<String>,
}

/// A file that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    /// What brings it back.
    pub(crate) was: Was,
    /// Whether it came with another commit.
    pub(crate) is_of_history: bool,
}

/// What a file was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// As in this commit.
    Committed(String),
    /// As in this copy.
    Kept(PathBuf),
    /// Not there.
    Missing,
    /// Something that was not kept.
    Unknown,
}

/// Where the snapshot of one use of a tool is kept, in the folder of its run.
pub(crate) struct SnapshotFile {
    file: PathBuf,
    copies: PathBuf,
}

impl SnapshotFile {
    /// For the use of a tool that has this name.
    pub(crate) fn new(folder: &Path, call: &str) -> Self {
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
        let name: String = call.chars().filter(is_plain).take(80).collect();
        Self { file: folder.join(format!("{name}.before")), copies: folder.join("kept") }
    }

    /// Looks at a working tree before a command. Without a snapshot nothing is compared afterwards; the command need
    /// not wait for that, nor for a git that takes too long.
    pub(crate) fn take(&self, root: &Path) {
        let (tell, told) = mpsc::sync_channel(1);
        let (root, copies) = (root.to_owned(), self.copies.clone());
        thread::spawn(move || {
            // Whoever waited may be gone.
            let _ = tell.send(Snapshot::of(&root, &copies));
        });
        let Ok(snapshot) = told.recv_timeout(LONGEST) else { return };
        let folder = self.file.parent().unwrap_or(&self.file);
        let Ok(text) = serde_json::to_vec(&snapshot) else { return };
        let _ = atomic::make_private_folder(folder).and_then(|()| atomic::write(&self.file, &text));
        clear(&self.copies, &snapshot);
    }

    /// What is not as it was; known once.
    pub(crate) fn changes(&self) -> Option<Vec<Change>> {
        let text = fs::read(&self.file).ok()?;
        let started = fs::metadata(&self.file).and_then(|meta| meta.modified()).ok();
        self.remove();
        let snapshot: Snapshot = serde_json::from_slice(&text).ok()?;
        Some(snapshot.changes(&self.copies, started))
    }

    /// The command does not run.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.file);
    }
}

impl Snapshot {
    fn of(root: &Path, copies: &Path) -> Self {
        let paths = changes::uncommitted(root);
        let is_cut = paths.len() >= MAX_CHANGED;
        let mut left = MAX_READ_BYTES;
        let mut files = Vec::new();
        for path in paths {
            let stat = stat(&path);
            let content = stat.as_ref().and_then(|_| read_bytes(&path, MAX_FILE_BYTES.min(left)).ok());
            let hash = content.map(|content| {
                left = left.saturating_sub(content.len() as u64);
                let hash = hashed(&content);
                keep(copies, &hash, &content);
                hash
            });
            files.push(Seen { path, stat, hash });
        }
        Self { root: root.to_owned(), head: head(root), files, is_cut }
    }

    fn changes(&self, copies: &Path, started: Option<SystemTime>) -> Vec<Change> {
        let before: BTreeMap<&Path, &Seen> =
            self.files.iter().map(|seen| (seen.path.as_path(), seen)).collect();
        let after: BTreeSet<PathBuf> = changes::uncommitted(&self.root).into_iter().collect();
        let mut found: BTreeMap<PathBuf, Change> = BTreeMap::new();
        let mut add = |path: &Path, was: Was, is_of_history: bool| {
            let change = Change { path: path.to_owned(), was, is_of_history };
            found.entry(path.to_owned()).or_insert(change);
        };
        for path in &after {
            match before.get(path.as_path()) {
                Some(seen) if seen.is_as_it_was() => {}
                Some(seen) => add(path, seen.was(copies), false),
                // One of those that were not looked at: there is nothing to go by but its time.
                None if self.is_cut && !is_since(path, started) => {}
                None => add(path, self.committed(path), false),
            }
        }
        for seen in self.files.iter().filter(|seen| !after.contains(&seen.path) && !seen.is_as_it_was()) {
            add(&seen.path, seen.was(copies), false);
        }
        let now = head(&self.root);
        if let (Some(before_head), Some(now)) = (&self.head, &now)
            && before_head != now
        {
            for path in between(&self.root, before_head, now) {
                if before.get(path.as_path()).is_none_or(|seen| !seen.is_as_it_was()) {
                    add(&path, self.committed(&path), true);
                }
            }
        }
        found.into_values().take(MAX_CHANGED).collect()
    }

    /// What a file was that did not differ from HEAD.
    fn committed(&self, path: &Path) -> Was {
        let Some(head) = &self.head else { return Was::Missing };
        let Ok(name) = path.strip_prefix(&self.root) else { return Was::Unknown };
        let object = format!("{head}:./{}", name.display());
        if Git::at(&self.root).is_so(&["cat-file", "-e", &object]) {
            Was::Committed(head.clone())
        } else {
            Was::Missing
        }
    }
}

impl Seen {
    fn is_as_it_was(&self) -> bool {
        if stat(&self.path) == self.stat {
            return true;
        }
        let content = self.hash.as_ref().and_then(|_| read_bytes(&self.path, MAX_FILE_BYTES).ok());
        content.is_some_and(|content| Some(hashed(&content)) == self.hash)
    }

    fn was(&self, copies: &Path) -> Was {
        match (&self.stat, &self.hash) {
            (None, _) => Was::Missing,
            (_, Some(hash)) if copies.join(hash).is_file() => Was::Kept(copies.join(hash)),
            _ => Was::Unknown,
        }
    }
}

/// What no program sets as it likes, of the file itself and not of what it leads to.
fn stat(path: &Path) -> Option<String> {
    let meta = fs::symlink_metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (changed, modified) = ((meta.ctime(), meta.ctime_nsec()), (meta.mtime(), meta.mtime_nsec()));
        Some(format!("{}:{}:{}:{changed:?}:{modified:?}", meta.dev(), meta.ino(), meta.len()))
    }
    #[cfg(not(unix))]
    Some(format!("{}:{:?}", meta.len(), meta.modified().ok()))
}

fn is_since(path: &Path, started: Option<SystemTime>) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    modified.map_or(true, |at| started.is_none_or(|started| at >= started))
}

fn head(root: &Path) -> Option<String> {
    Git::at(root).text(&["rev-parse", "--verify", "--quiet", "HEAD"]).ok().filter(|head| !head.is_empty())
}

/// The files that differ between two commits, in the folder of a root or below it.
fn between(root: &Path, before: &str, now: &str) -> Vec<PathBuf> {
    let git = Git::at(root);
    let Ok(top) = git.top() else { return Vec::new() };
    let paths = git.entries(&["diff-tree", "-r", "-z", "--name-only", "--no-renames", before, now]);
    paths.unwrap_or_default().into_iter().take(MAX_CHANGED).map(|path| top.join(path)).collect()
}

fn hashed(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps a copy that only its owner may read. Whoever needs one and has none is told so.
fn keep(copies: &Path, hash: &str, content: &[u8]) {
    let copy = copies.join(hash);
    if !copy.is_file() {
        let _ = atomic::make_private_folder(copies).and_then(|()| atomic::write(&copy, content));
    }
}

/// Removes the oldest copies where they are too many bytes, but for those of this snapshot.
fn clear(copies: &Path, snapshot: &Snapshot) {
    let needed: BTreeSet<&str> = snapshot.files.iter().filter_map(|seen| seen.hash.as_deref()).collect();
    let Ok(entries) = fs::read_dir(copies) else { return };
    let mut all: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        all.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), entry.path()));
    }
    let mut total: u64 = all.iter().map(|(_, length, _)| length).sum();
    all.sort();
    for (_, length, path) in all {
        if total <= MAX_KEPT_BYTES {
            return;
        }
        let is_needed = path.file_name().is_some_and(|name| needed.contains(name.to_string_lossy().as_ref()));
        if !is_needed && fs::remove_file(&path).is_ok() {
            total -= length;
        }
    }
}

#[cfg(all(test, unix))]
#[path = "snapshot_tests.rs"]
mod tests;
