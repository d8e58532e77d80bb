//! Paths that match nothing in the work tree: files that are still to be made, or a slip of the pen. Names the nearest
//! one that there is.

use super::{paths::root, tree::Tree};
use crate::text::similar;
use std::{collections::BTreeSet, path::Path};

/// Files and folders that are compared with a path: more would be felt.
const MAX_COMPARED: usize = 50_000;

/// Patterns that the braces of one pattern may stand for. One with more counts as matching.
const MAX_EXPANDED: usize = 256;

/// A path that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unmatched {
    /// The path, as the cluster names it.
    pub(crate) path: String,
    /// The nearest one in the work tree, if one is near.
    pub(crate) nearest: Option<String>,
}

/// Those of these paths, as the cluster names them, that match nothing in the work tree. None where the work tree is
/// unknown, or empty.
pub(crate) fn unmatched(paths: &[String]) -> Vec<Unmatched> {
    let Ok(Some(root)) = root() else { return Vec::new() };
    let absent: Vec<&String> = paths.iter().filter(|path| !is_there(&root, path)).collect();
    if absent.is_empty() {
        return Vec::new();
    }
    let tree = Tree::below(&root).filter(|tree| tree.files().next().is_some());
    tree.map(|tree| not_in(&tree, &absent)).unwrap_or_default()
}

fn is_there(root: &Path, path: &str) -> bool {
    let found = root.join(path.trim_end_matches('/')).symlink_metadata();
    path == "**" || found.is_ok_and(|found| found.is_dir() || !path.ends_with('/'))
}

fn not_in(tree: &Tree, paths: &[&String]) -> Vec<Unmatched> {
    let matches_none = |path: &&&String| {
        is_literal(path)
            || expanded(path).is_some_and(|patterns| !patterns.iter().any(|one| tree.has_match(one)))
    };
    paths
        .iter()
        .filter(matches_none)
        .map(|path| Unmatched { path: (*path).clone(), nearest: nearest(tree, path) })
        .collect()
}

fn is_literal(path: &str) -> bool {
    !path.contains(['*', '?', '[', '{'])
}

/// The patterns without braces that a pattern stands for; none if they are too many.
fn expanded(pattern: &str) -> Option<Vec<String>> {
    let mut whole = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        // The innermost braces: the last one that opens, and the next one that closes.
        let braces = pattern.rfind('{').and_then(|from| Some((from, from + pattern[from..].find('}')?)));
        let Some((from, to)) = braces else {
            whole.push(pattern);
            continue;
        };
        for one in pattern[from + 1..to].split(',') {
            open.push(format!("{}{one}{}", &pattern[..from], &pattern[to + 1..]));
        }
        if open.len() + whole.len() > MAX_EXPANDED {
            return None;
        }
    }
    Some(whole)
}

/// A path of the same name in another folder, or else the one that is spelled most alike.
fn nearest(tree: &Tree, path: &str) -> Option<String> {
    if !is_literal(path) {
        return None;
    }
    let is_folder = path.ends_with('/');
    let path = path.trim_end_matches('/');
    let mut candidates: BTreeSet<(&str, bool)> =
        tree.folders().take(MAX_COMPARED).map(|folder| (folder, true)).collect();
    if !is_folder {
        candidates.extend(tree.files().take(MAX_COMPARED).map(|file| (file, false)));
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let of_same_name = candidates.iter().filter(|(candidate, _)| name(candidate) == name(path));
    let found = of_same_name
        .min_by_key(|(candidate, _)| candidate.len())
        .copied()
        .or_else(|| similar::nearest(candidates.iter().copied(), |(candidate, _)| candidate, path));
    found.map(|(path, is_folder)| if is_folder { format!("{path}/") } else { path.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{fs, process::Command};

    #[test]
    fn a_slip_is_named_with_what_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("src/billing")).unwrap();
        for file in ["src/db.rs", "src/billing/invoice.rs", "README.md"] {
            fs::write(root.join(file), "").unwrap();
        }
        assert!(Command::new("git").args(["init", "-q"]).current_dir(root).status().unwrap().success());
        let tree = Tree::below(root).unwrap();
        for (path, nearest) in [
            ("src/dv.rs", Some("src/db.rs")),
            ("db.rs", Some("src/db.rs")),
            ("readme.md", Some("README.md")),
            ("scr/billing/", Some("src/billing/")),
            ("src/bililng/", Some("src/billing/")),
            ("something/else.txt", None),
            ("src/*.sql", None),
            ("src/{api,web}/*.rs", None),
        ] {
            let found = not_in(&tree, &[&path.to_owned()]);
            assert_eq!(
                found,
                [Unmatched { path: path.to_owned(), nearest: nearest.map(str::to_owned) }],
                "{path}"
            );
        }
        for path in ["src/*.rs", "src/{db,other}.rs", "**/*.md", "src/b*/", "{src,lib}/**/*.rs"] {
            assert!(not_in(&tree, &[&path.to_owned()]).is_empty(), "{path}");
        }
        assert!(
            is_there(root, "src/billing/") && is_there(root, "src/db.rs") && !is_there(root, "src/db.rs/")
        );
    }
}
