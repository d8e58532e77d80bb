//! The files of a checkout that wildcards of others may match. It reads folders and does not ask git, whose index and
//! settings the command may change. It follows no link, and reads a folder again only when it has changed.

use super::{
    protection::{OwnPaths, is_unclaimable},
    wildcard::Wildcard,
};
use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// Most names that are read: a large checkout with its build results has fewer.
const MAX_ENTRIES: usize = 200_000;

/// How long folders are read: a person waits for the command.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Most wildcards that a name is compared with. With more wildcards, any name counts as a match.
const MAX_COMPARED: usize = 200;

/// A folder that changed less than this before it was read may have changed again at the same time stamp: some file
/// systems count in steps of two seconds.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// The folders that wildcards reach.
pub(super) struct WildcardFiles {
    root: PathBuf,
    wildcards: Vec<Wildcard>,
    own_paths: OwnPaths,
    folders: BTreeMap<PathBuf, ListedFolder>,
    is_cut: bool,
}

/// A folder as it was read.
#[derive(Clone, Default)]
struct ListedFolder {
    stamp: Option<FolderStamp>,
    is_settled: bool,
    /// How many names it has.
    entries: usize,
    /// Names that are no folders, and that a wildcard may match.
    files: Vec<OsString>,
    /// Folders in which a wildcard may match something.
    folders: Vec<OsString>,
    /// Folders of which others hold all.
    whole: Vec<OsString>,
}

/// Identifies a state of a folder. No program can set these times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FolderStamp {
    changed: SystemTime,
    file: (u64, u64),
}

impl WildcardFiles {
    /// Reads nothing yet: call [`refresh`](Self::refresh).
    pub(super) fn new(root: PathBuf, mut wildcards: Vec<Wildcard>, own_paths: OwnPaths) -> Self {
        wildcards.sort_unstable();
        wildcards.dedup();
        Self { root, wildcards, own_paths, folders: BTreeMap::new(), is_cut: false }
    }

    /// Whether some folders were not read because there are too many.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Files that wildcards may match, those near the root first.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.all(|folder| &folder.files).collect();
        files.sort_by_cached_key(|path| (path.components().count(), path.clone()));
        files
    }

    /// Folders of which others hold all.
    pub(super) fn whole(&self) -> impl Iterator<Item = PathBuf> {
        self.all(|folder| &folder.whole)
    }

    fn all(&self, of: impl Fn(&ListedFolder) -> &Vec<OsString>) -> impl Iterator<Item = PathBuf> {
        self.folders.iter().flat_map(move |(path, folder)| of(folder).iter().map(move |name| path.join(name)))
    }

    /// Whether a folder changed since it was read.
    #[cfg(target_os = "linux")]
    pub(super) fn has_changed(&self) -> bool {
        let is_same = |(path, folder): (&PathBuf, &ListedFolder)| {
            folder.is_settled && folder.stamp == stamp(&self.root.join(path))
        };
        !self.folders.iter().all(is_same)
    }

    /// Reads the folders that were not read, or have changed since.
    pub(super) fn refresh(&mut self) {
        let before = std::mem::take(&mut self.folders);
        self.is_cut = false;
        if self.wildcards.is_empty() {
            return;
        }
        let (end, mut entries) = (Instant::now() + READ_TIMEOUT, 0);
        let all: Rc<[usize]> = (0..self.wildcards.len()).collect();
        // By depth, so that only deep folders are cut off.
        let mut next = VecDeque::from([(PathBuf::new(), all)]);
        while let Some((path, reaching)) = next.pop_front() {
            if entries >= MAX_ENTRIES || Instant::now() >= end {
                self.is_cut = true;
                return;
            }
            let whole = self.root.join(&path);
            let folder = before.get(&path).filter(|known| known.is_settled && known.stamp == stamp(&whole));
            let folder = folder.cloned().unwrap_or_else(|| self.read(&path, &whole, &reaching));
            entries += folder.entries + 1;
            for name in &folder.folders {
                let below = path.join(name);
                let reaching = reaching.iter().copied().filter(|at| self.wildcards[*at].reaches(&below));
                let reaching = reaching.collect();
                next.push_back((below, reaching));
            }
            self.folders.insert(path, folder);
        }
    }

    fn read(&self, path: &Path, whole: &Path, reaching: &[usize]) -> ListedFolder {
        let wildcards = || reaching.iter().map(|at| &self.wildcards[*at]);
        let is_any = reaching.len() > MAX_COMPARED;
        let stamp = stamp(whole);
        let age = stamp.and_then(|stamp| SystemTime::now().duration_since(stamp.changed).ok());
        let mut folder = ListedFolder {
            stamp,
            is_settled: stamp.is_none() || age.is_some_and(|age| age > SETTLED_AFTER),
            ..ListedFolder::default()
        };
        // A folder that is a link, or cannot be read, has no files that can be protected.
        let Some(_) = stamp else { return folder };
        for entry in fs::read_dir(whole).into_iter().flatten().flatten() {
            folder.entries += 1;
            let (name, at) = (entry.file_name(), path.join(entry.file_name()));
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_unclaimable(&at) {
                continue;
            }
            if !is_folder {
                if is_any || wildcards().any(|one| one.may_match(&at)) {
                    folder.files.push(name);
                }
            } else if !self.own_paths.overlaps(&at) && wildcards().any(|one| one.has_all_of(&at)) {
                folder.whole.push(name);
            } else if wildcards().any(|one| one.reaches(&at)) {
                folder.folders.push(name);
            }
            if folder.entries >= MAX_ENTRIES {
                break;
            }
        }
        folder
    }
}

/// The present state of a folder; none where there is none.
fn stamp(folder: &Path) -> Option<FolderStamp> {
    let found = fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (seconds, rest) = (u64::try_from(found.ctime()).ok()?, u64::try_from(found.ctime_nsec()).ok()?);
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(rest);
        Some(FolderStamp { changed, file: (found.dev(), found.ino()) })
    }
    #[cfg(not(unix))]
    Some(FolderStamp { changed: found.modified().ok()?, file: (0, 0) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checkout(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn tree(folder: &tempfile::TempDir, patterns: &[&str]) -> WildcardFiles {
        let wildcards = patterns.iter().filter_map(|pattern| Wildcard::of(pattern)).collect();
        WildcardFiles::new(folder.path().to_owned(), wildcards, OwnPaths::default())
    }

    fn names(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
        paths.into_iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn all_files_that_a_wildcard_may_match_are_found_whatever_git_thinks_of_them() {
        let folder = checkout(&[
            ".git/config.rs",
            ".gitignore",
            "src/a.rs",
            "src/deep/b.rs",
            "src/deep/b.md",
            "vendor/inner/.git/HEAD",
            "vendor/inner/c.rs",
            "target/d.o",
        ]);
        fs::write(folder.path().join(".gitignore"), "*\n").unwrap();
        let mut tree = tree(&folder, &["**/*.rs"]);
        tree.refresh();
        assert_eq!(names(tree.files()), ["src/a.rs", "src/deep/b.rs", "vendor/inner/c.rs"]);
        assert!(!tree.is_cut());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_a_file_of_its_own_and_leads_nowhere() {
        let folder = checkout(&["src/a.rs"]);
        let elsewhere = checkout(&["b.rs"]);
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("src/away")).unwrap();
        std::os::unix::fs::symlink("a.rs", folder.path().join("src/c.rs")).unwrap();
        let mut tree = tree(&folder, &["src/**/*.rs"]);
        tree.refresh();
        assert_eq!(names(tree.files()), ["src/a.rs", "src/c.rs"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_made_later_is_found_however_its_folder_came_to_be() {
        let folder = checkout(&["src/a.rs", "lib/x.rs"]);
        let mut tree = tree(&folder, &["src/**/*.rs", "new/*.rs"]);
        tree.refresh();
        assert_eq!(names(tree.files()), ["src/a.rs"]);
        // A folder that was just made may change again within one step of its clock.
        assert!(tree.has_changed());
        fs::write(folder.path().join("src/b.rs"), "").unwrap();
        fs::create_dir(folder.path().join("new")).unwrap();
        fs::rename(folder.path().join("lib/x.rs"), folder.path().join("new/x.rs")).unwrap();
        tree.refresh();
        assert_eq!(names(tree.files()), ["new/x.rs", "src/a.rs", "src/b.rs"]);
        fs::remove_dir_all(folder.path().join("new")).unwrap();
        tree.refresh();
        assert_eq!(names(tree.files()), ["src/a.rs", "src/b.rs"]);
    }

    #[test]
    fn of_a_folder_that_others_hold_as_a_whole_only_what_is_near_ones_own_is_taken_apart() {
        let folder = checkout(&["src/own/a.rs", "src/own/b.rs", "src/theirs/c.rs", "src/d.rs"]);
        let own_paths = OwnPaths::of(&[super::super::protection::PatternShape::Path("src/own/a.rs".into())]);
        let mut tree =
            WildcardFiles::new(folder.path().to_owned(), vec![Wildcard::all_of("src".into())], own_paths);
        tree.refresh();
        assert_eq!(names(tree.whole()), ["src/theirs"]);
        assert_eq!(names(tree.files()), ["src/d.rs", "src/own/a.rs", "src/own/b.rs"]);
    }
}
