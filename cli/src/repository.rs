//! The repository around the current folder: paths as the cluster names them, and what Git says of it.
//! Changes nothing in it.

use crate::{config::link, error::Error};
use serde_json::{Map, Value, json};
use std::{
    env,
    path::{Component, Path, PathBuf},
    process::Command,
};

/// Changed files that are named; the rest is counted.
const MOST_NAMED: usize = 200;

/// A path as a person types it, in the folder they stand in, as the cluster names it: relative to the root
/// of the repository. Outside of a linked repository it is taken as it is.
///
/// # Errors
/// When it leads out of the repository.
pub(crate) fn from_root(typed: &str) -> Result<String, Error> {
    let Some(root) = link::find()?.map(|found| found.root) else {
        return Ok(typed.to_owned());
    };
    let here = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
    relative(&root, &here, typed)
        .ok_or_else(|| Error::misused(format!("{typed} is outside of the repository {}", root.display())))
}

fn relative(root: &Path, here: &Path, typed: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let whole: PathBuf = here.join(typed);
    for part in whole.strip_prefix(root).ok()?.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?.to_owned()),
            Component::ParentDir => drop(parts.pop()?),
            _ => {}
        }
    }
    // A folder keeps its slash: it stands for all beneath it. The root itself is everything.
    let path = parts.join("/");
    Some(match (path.is_empty(), typed.ends_with('/')) {
        (true, _) => "**".to_owned(),
        (false, true) => path + "/",
        (false, false) => path,
    })
}

/// The branch, the commit and what is not committed, for a checkpoint. Empty where there is no Git.
pub(crate) fn git_state() -> Map<String, Value> {
    let mut state = Map::new();
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return state };
    let branch = git(&["rev-parse", "--abbrev-ref", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain=v1", "-z", "--no-renames"]).unwrap_or_default();
    // `XY path`, each ended by a NUL.
    let paths: Vec<&str> = changed.split('\0').filter_map(|entry| entry.get(3..)).collect();
    state.insert("gitBranch".to_owned(), json!(branch.trim()));
    state.insert("gitCommit".to_owned(), json!(commit.trim()));
    state.insert("gitDirty".to_owned(), json!(!paths.is_empty()));
    if !paths.is_empty() {
        state.insert("changedFiles".to_owned(), json!(&paths[..paths.len().min(MOST_NAMED)]));
        state.insert("changedFileCount".to_owned(), json!(paths.len()));
    }
    state
}

/// The branch that is checked out, if it has a name that a server takes.
pub(crate) fn branch() -> Option<String> {
    let name = git(&["branch", "--show-current"])?;
    let name = name.trim();
    (!name.is_empty() && name.len() <= 2_048 && !name.contains(char::is_control)).then(|| name.to_owned())
}

/// What Git prints; nothing when there is no Git or it fails.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_from_the_root_wherever_one_stands() {
        let path = |here: &str, typed: &str| relative(Path::new("/r"), Path::new(here), typed);
        assert_eq!(path("/r/src/deep", "../db.rs").unwrap(), "src/db.rs");
        assert_eq!(path("/r/src", "auth/").unwrap(), "src/auth/");
        assert_eq!(path("/r/src", "**/*.rs").unwrap(), "src/**/*.rs");
        assert_eq!(path("/r/src", "/r/a.rs").unwrap(), "a.rs");
        assert_eq!(path("/r", ".").unwrap(), "**");
        assert_eq!(path("/r", "../x"), None);
        assert_eq!(path("/r", "/etc/passwd"), None);
    }
}
