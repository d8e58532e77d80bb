//! The state of git in a folder, for a checkpoint.

use crate::git::Git;
use serde_json::{Map, Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Changed files that are named; the rest is counted.
const MOST_NAMED: usize = 200;

/// How long git may take, since a hook waits for it.
const LONGEST: Duration = Duration::from_secs(2);

/// The branch, the commit and what is not committed, for a checkpoint. Empty where there is no Git.
pub(crate) fn git_state() -> Map<String, Value> {
    git_state_of(Path::new("."))
}

/// The same for the repository around a folder.
pub(crate) fn git_state_of(folder: &Path) -> Map<String, Value> {
    let mut state = Map::new();
    let git = Git::at(folder).until(Instant::now() + LONGEST);
    let Ok(commit) = git.text(&["rev-parse", "--verify", "HEAD"]) else { return state };
    let status = [
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=normal",
        "--ignore-submodules=none",
    ];
    let changed = git.entries(&status).unwrap_or_default();
    // `XY path`.
    let paths: Vec<&str> = changed.iter().filter_map(|entry| entry.get(3..)).collect();
    state.insert("gitBranch".to_owned(), json!(checked_out(&git).unwrap_or_else(|| "HEAD".to_owned())));
    state.insert("gitCommit".to_owned(), json!(commit));
    state.insert("gitDirty".to_owned(), json!(!paths.is_empty()));
    if !paths.is_empty() {
        state.insert("changedFiles".to_owned(), json!(&paths[..paths.len().min(MOST_NAMED)]));
        state.insert("changedFileCount".to_owned(), json!(paths.len()));
    }
    state
}

/// The branch that is checked out, if it has a name that a server takes.
pub(crate) fn branch() -> Option<String> {
    let name = checked_out(&Git::here())?;
    (!name.is_empty() && name.len() <= 2_048 && !name.contains(char::is_control)).then_some(name)
}

/// The branch that is checked out; none where it is a commit.
fn checked_out(git: &Git) -> Option<String> {
    let name = git.text(&["symbolic-ref", "--quiet", "HEAD"]).ok()?;
    Some(name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned())
}
