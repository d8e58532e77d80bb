//! The uncommitted changes, the entries of the index, and the files of commits. Names stay the bytes that they are.

use super::Git;
use crate::error::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The files that differ from the commit that is checked out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// The commit; `None` before the first one.
    pub(crate) head: Option<String>,
    /// The files that differ from it, and those that git neither knows nor ignores.
    pub(crate) entries: Vec<Entry>,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its path from the root of the work tree.
    pub(crate) path: PathBuf,
    /// Whether that commit has such a file.
    pub(crate) is_in_head: bool,
    /// Whether the index differs from that commit.
    pub(crate) is_staged: bool,
    /// Whether it is another repository: a submodule, or one that git does not know.
    pub(crate) is_repository: bool,
}

/// A file of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// Its path from the root of the work tree.
    pub(crate) path: PathBuf,
    /// Whether git compares it with the work tree: `assume-unchanged` and `skip-worktree` prevent that.
    pub(crate) is_compared: bool,
    /// Whether it is a submodule.
    pub(crate) is_repository: bool,
}

/// The mode of a missing file, as git prints it.
const NO_MODE: &[u8] = b"000000";

/// The mode of a submodule.
const LINK_MODE: &[u8] = b"160000";

/// The files that differ in the whole work tree. A submodule differs if another commit is checked out in it.
///
/// # Errors
/// When git fails.
pub(crate) fn status(git: &Git) -> Result<Status, Error> {
    const STATUS: [&str; 8] = [
        "status",
        "--porcelain=v2",
        "--branch",
        "--no-ahead-behind",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=dirty",
    ];
    // `git status` reads all settings for display, and fails at an invalid one. The other commands read none of them,
    // and only report a rewritten file with the same content as changed.
    git.bytes(&STATUS).map(|printed| read(&printed)).or_else(|error| plumbed(git).map_err(|_| error))
}

fn read(printed: &[u8]) -> Status {
    let mut status = Status::default();
    let mut parts = printed.split(|byte| *byte == 0);
    while let Some(part) = parts.next() {
        // The number of words before the path, and the index of the mode in the commit.
        let (words, mode) = match part.first() {
            Some(b'#') => {
                let head = part.strip_prefix(b"# branch.oid ").map(String::from_utf8_lossy);
                status.head = head.filter(|head| head != "(initial)").map(Into::into).or(status.head);
                continue;
            }
            Some(b'1') => (8, 3),
            Some(b'2') => {
                // The former path of a renamed file is an entry of its own.
                parts.next();
                (9, 3)
            }
            // For an unmerged file, the mode on this side.
            Some(b'u') => (10, 4),
            Some(b'?') => {
                let path = part.get(2..).unwrap_or_default();
                status.entries.push(Entry {
                    path: path_of(path),
                    is_in_head: false,
                    is_staged: false,
                    is_repository: path.ends_with(b"/"),
                });
                continue;
            }
            _ => continue,
        };
        let fields: Vec<&[u8]> = part.splitn(words + 1, |byte| *byte == b' ').collect();
        let Some(path) = fields.get(words) else { continue };
        status.entries.push(Entry {
            path: path_of(path),
            is_in_head: fields[mode] != NO_MODE,
            is_staged: fields[1].first() != Some(&b'.'),
            is_repository: fields[2].first() == Some(&b'S'),
        });
    }
    status
}

/// The same by commands that read no settings for display.
fn plumbed(git: &Git) -> Result<Status, Error> {
    let head = git.text(&["rev-parse", "--verify", "--quiet", "HEAD"]).ok().filter(|head| !head.is_empty());
    let mut entries = Vec::new();
    if head.is_some() {
        let arguments =
            ["diff-index", "-z", "--raw", "--no-renames", "--ignore-submodules=dirty", "HEAD", "--"];
        entries.extend(read_raw(&git.bytes(&arguments)?));
    }
    let others: &[&str] = if head.is_some() {
        &["ls-files", "-z", "--others", "--exclude-standard", "--full-name"]
    } else {
        &["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name"]
    };
    entries.extend(parts(&git.bytes(others)?).map(|path| Entry {
        path: path_of(path),
        is_in_head: false,
        is_staged: false,
        is_repository: path.ends_with(b"/"),
    }));
    Ok(Status { head, entries })
}

/// The files in the output of `diff-index --raw`.
fn read_raw(printed: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut parts = printed.split(|byte| *byte == 0);
    // `:MODE MODE ID ID LETTER`, and the path.
    while let (Some(fields), Some(path)) = (parts.next(), parts.next()) {
        let mode = fields.get(1..7).unwrap_or_default();
        entries.push(Entry {
            path: path_of(path),
            is_in_head: mode != NO_MODE,
            is_staged: true,
            is_repository: mode == LINK_MODE,
        });
    }
    entries
}

/// The files of the index.
///
/// # Errors
/// When git fails.
pub(crate) fn indexed(git: &Git) -> Result<Vec<Indexed>, Error> {
    Ok(read_index(&git.bytes(&["ls-files", "-z", "-s", "-v", "--full-name"])?))
}

/// The files in the output of `ls-files`.
fn read_index(printed: &[u8]) -> Vec<Indexed> {
    // `TAG MODE ID STAGE<tab>PATH`
    let indexed = parts(printed).filter_map(|entry| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        Some(Indexed {
            path: path_of(&entry[tab + 1..]),
            is_compared: entry.first() == Some(&b'H'),
            is_repository: entry.get(2..8) == Some(LINK_MODE),
        })
    });
    indexed.collect()
}

/// The files that differ between two commits, and whether the first commit has them.
///
/// # Errors
/// When git fails.
pub(crate) fn changed_between(git: &Git, before: &str, now: &str) -> Result<Vec<(PathBuf, bool)>, Error> {
    let arguments =
        ["diff-tree", "-r", "-z", "--name-status", "--no-renames", "--ignore-submodules=none", before, now];
    Ok(read_changes(&git.bytes(&arguments)?))
}

/// The files in the output of `diff-tree --name-status`.
fn read_changes(printed: &[u8]) -> Vec<(PathBuf, bool)> {
    let mut parts = parts(printed);
    let mut found = Vec::new();
    while let (Some(letter), Some(path)) = (parts.next(), parts.next()) {
        found.push((path_of(path), letter != b"A"));
    }
    found
}

/// The object names of the contents that these files have in a commit.
///
/// # Errors
/// When git fails.
pub(crate) fn blobs(
    git: &Git,
    commit: &str,
    wanted: &BTreeSet<&Path>,
) -> Result<BTreeMap<PathBuf, String>, Error> {
    Ok(read_tree(&git.bytes(&["ls-tree", "-r", "-z", "--full-tree", commit])?, wanted))
}

/// The wanted files in the output of `ls-tree`.
fn read_tree(printed: &[u8], wanted: &BTreeSet<&Path>) -> BTreeMap<PathBuf, String> {
    // `MODE TYPE ID<tab>PATH`
    let found = parts(printed).filter_map(|entry| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let path = path_of(&entry[tab + 1..]);
        let id = entry[..tab].rsplit(|byte| *byte == b' ').next()?;
        wanted.contains(path.as_path()).then(|| (path, String::from_utf8_lossy(id).into_owned()))
    });
    found.collect()
}

/// The object names of the contents of these files, without filters. If one cannot be read, it and the following ones
/// are missing.
///
/// # Errors
/// When git does not end in time.
pub(crate) fn raw_hashes(git: &Git, paths: &[PathBuf]) -> Result<Vec<String>, Error> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let input = paths.iter().flat_map(|path| [bytes_of(path), b"\n".to_vec()]).flatten().collect();
    let printed = git.printed_of(&["hash-object", "--no-filters", "--stdin-paths"], input)?;
    Ok(String::from_utf8_lossy(&printed).lines().map(str::to_owned).collect())
}

/// Reads bytes as the output of each of these calls of git.
#[cfg(any(test, fuzzing))]
pub(super) fn read_all(printed: &[u8]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = read(printed).entries.into_iter().map(|entry| entry.path).collect();
    paths.extend(read_raw(printed).into_iter().map(|entry| entry.path));
    paths.extend(read_index(printed).into_iter().map(|entry| entry.path));
    paths.extend(read_changes(printed).into_iter().map(|(path, _)| path));
    paths.extend(read_tree(printed, &[Path::new("a")].into()).into_keys());
    paths
}

fn parts(printed: &[u8]) -> impl Iterator<Item = &[u8]> {
    printed.split(|byte| *byte == 0).filter(|part| !part.is_empty())
}

fn bytes_of(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        path.as_os_str().as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    path.to_string_lossy().into_owned().into_bytes()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
