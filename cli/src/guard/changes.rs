//! Lists uncommitted, ignored and stashed files with git. Changes nothing.

use crate::{
    agent_run::RunKey,
    error::Error,
    git::{self, Git, WorkTree},
    repository::real,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Files that are listed at most before a command discards them or restores them from a stash.
const MAX_CHANGED: usize = 5_000;

/// How deep submodules within submodules are listed.
const MAX_SUBMODULE_DEPTH: usize = 3;

/// How long git may take to list what a command would change: hosts wait ten seconds for the whole hook.
const GIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Files that a command would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedFiles {
    /// The known ones, as absolute paths.
    pub(crate) paths: Vec<PathBuf>,
    /// Why there may be more.
    pub(crate) incomplete: Option<&'static str>,
}

/// The reason when git failed, or took longer than [`GIT_TIMEOUT`].
const GIT_FAILED: &str = "git does not say which changes it throws away, or puts back";

/// The reason when there are more than [`MAX_CHANGED`].
const TOO_MANY: &str = "it throws away more changes than are looked at";

/// The uncommitted files in the working tree of a folder, below it, and in its submodules.
pub(crate) fn uncommitted(folder: &Path) -> ChangedFiles {
    uncommitted_until(folder, Instant::now() + GIT_TIMEOUT)
}

fn uncommitted_until(folder: &Path, end: Instant) -> ChangedFiles {
    let mut found = Vec::new();
    let folder = real(folder);
    let Some(tree) = WorkTree::around(&folder) else { return ChangedFiles::default() };
    let added = add_uncommitted(&tree, &folder, end, MAX_SUBMODULE_DEPTH, &mut found);
    let incomplete = match added {
        Ok(()) => (found.len() >= MAX_CHANGED).then_some(TOO_MANY),
        Err(_) => Some(GIT_FAILED),
    };
    ChangedFiles { paths: found, incomplete }
}

fn add_uncommitted(
    tree: &WorkTree,
    folder: &Path,
    end: Instant,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let status = git::status(&Git::in_tree(tree).until(end))?;
    for entry in status.entries {
        let path = tree.top.join(&entry.path);
        if !path.starts_with(folder) {
            continue;
        }
        if found.len() >= MAX_CHANGED {
            return Ok(());
        }
        // A folder that git does not know is another repository, or a worktree: its files are not of this one.
        if !entry.is_repository || entry.is_in_head {
            found.push(path);
        }
    }
    let modules = git::indexed(&Git::in_tree(tree).until(end))?;
    for module in modules.iter().filter(|file| file.is_repository && depth > 0) {
        let path = tree.top.join(&module.path);
        if (path.starts_with(folder) || folder.starts_with(&path))
            && let Some(inner) = WorkTree::at(&path)
        {
            add_uncommitted(&inner, folder, end, depth - 1, found)?;
        }
    }
    Ok(())
}

/// The files that a stash changes when it is applied. Without a name it is the newest one.
pub(crate) fn stashed(folder: &Path, name: Option<&str>) -> ChangedFiles {
    stashed_until(folder, name, Instant::now() + GIT_TIMEOUT)
}

fn stashed_until(folder: &Path, name: Option<&str>, end: Instant) -> ChangedFiles {
    let Some(tree) = WorkTree::around(&real(folder)) else { return ChangedFiles::default() };
    let Ok(mut paths) = files_of_stash(&Git::in_tree(&tree).until(end), name) else {
        return ChangedFiles { paths: Vec::new(), incomplete: Some(GIT_FAILED) };
    };
    let incomplete = (paths.len() > MAX_CHANGED).then_some(TOO_MANY);
    paths.truncate(MAX_CHANGED);
    ChangedFiles { paths: paths.into_iter().map(|path| tree.top.join(path)).collect(), incomplete }
}

fn files_of_stash(git: &Git, name: Option<&str>) -> Result<Vec<String>, Error> {
    let stash = match name {
        None => "stash@{0}".to_owned(),
        Some(name) if name.chars().all(|letter| letter.is_ascii_digit()) => format!("stash@{{{name}}}"),
        // To git a word that begins with a dash is an option.
        Some(name) => name.trim_start_matches('-').to_owned(),
    };
    let is_there = |commit: &str| {
        let found = git.output(["rev-parse", "--verify", "--quiet", commit])?;
        Ok::<bool, Error>(found.status.success())
    };
    let (first, others) = (format!("{stash}^1"), format!("{stash}^3"));
    // There is no such stash, so git changes nothing.
    if !is_there(&first)? {
        return Ok(Vec::new());
    }
    let mut paths = git.entries(&["diff-tree", "-r", "-z", "--name-only", "--no-renames", &first, &stash])?;
    // Files that git did not track are in a parent commit of their own.
    if is_there(&others)? {
        paths.extend(git.entries(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", &others])?);
    }
    Ok(paths)
}

/// These paths without those that git ignores: nobody claims what is built.
pub(crate) fn not_ignored(root: &Path, paths: Vec<String>) -> Vec<String> {
    if paths.is_empty() {
        return paths;
    }
    // To git a path that begins with a colon is a pattern.
    let input = paths.iter().map(|path| format!("./{path}\0")).collect();
    // Exit code 1 means that none of them is ignored.
    let git = Git::at(root).until(Instant::now() + GIT_TIMEOUT);
    let ignored = git.entries_of(&["check-ignore", "-z", "--stdin"], input, |code| code <= 1);
    let ignored = ignored.unwrap_or_default();
    let is_ignored = |path: &String| ignored.iter().any(|one| one.strip_prefix("./") == Some(path.as_str()));
    paths.into_iter().filter(|path| !is_ignored(path)).collect()
}

/// The id of a tool call whose host gives it none.
pub(crate) fn fallback_call_id(key: &RunKey) -> String {
    format!("{}-shell", key.kind())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{fs, process::Command};

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut made = Command::new("bash");
        made.current_dir(folder.path()).args([
            "-ec",
            "git init -q && echo 1 > a && git add a && git -c user.name=a -c user.email=a@example.com commit -q -m one
             echo 2 > a",
        ]);
        assert!(made.status().unwrap().success());
        folder
    }

    #[test]
    fn a_git_that_does_not_say_in_time_what_is_thrown_away_leaves_a_gap() {
        let folder = repository();
        let whole = uncommitted(folder.path());
        let path = fs::canonicalize(folder.path()).unwrap().join("a");
        assert_eq!(whole, ChangedFiles { paths: vec![path], incomplete: None });
        let over = Instant::now();
        assert_eq!(uncommitted_until(folder.path(), over).incomplete, Some(GIT_FAILED));
        assert_eq!(stashed_until(folder.path(), None, over).incomplete, Some(GIT_FAILED));
        // Nor does one that fails.
        fs::write(folder.path().join(".git/index"), "broken").unwrap();
        assert_eq!(uncommitted(folder.path()).incomplete, Some(GIT_FAILED));
    }

    #[test]
    fn a_stash_changes_what_is_in_it_and_one_that_is_not_there_nothing() {
        let folder = repository();
        let top = fs::canonicalize(folder.path()).unwrap();
        let run = |line: &str| {
            let line = format!("git config user.name a && git config user.email a@example.com && {line}");
            assert!(
                Command::new("bash")
                    .current_dir(folder.path())
                    .args(["-ec", &line])
                    .status()
                    .unwrap()
                    .success()
            );
        };
        let paths = |names: &[&str]| ChangedFiles {
            paths: names.iter().map(|name| top.join(name)).collect(),
            incomplete: None,
        };
        run("git stash -q");
        assert_eq!(stashed(folder.path(), None), paths(&["a"]));
        run("git stash pop -q && echo 1 > b && git stash push -q -u");
        assert_eq!(stashed(folder.path(), Some("0")), paths(&["a", "b"]));
        run("git stash drop -q");
        assert_eq!(stashed(folder.path(), None), ChangedFiles::default());
        assert_eq!(stashed(folder.path(), Some("7")), ChangedFiles::default());
    }
}
