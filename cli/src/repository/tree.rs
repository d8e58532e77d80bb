//! The files of a work tree that a pattern matches: those that git tracks or would add. Files that git ignores, such as
//! build results, do not count.

use crate::git::Git;
use glob::{MatchOptions, Pattern};
use std::path::Path;

/// Files of one pattern that are named: to a command that changes more of them, the pattern says as much.
const MAX_MATCHING: usize = 5_000;

/// The options that match as the cluster does: `*` stays within a folder.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The files of a work tree.
#[derive(Debug)]
pub(crate) struct Tree(Vec<String>);

impl Tree {
    /// The files below a folder; none if Git does not list them.
    pub(crate) fn below(root: &Path) -> Option<Self> {
        let git = Git::at(root);
        let tracked = git
            .entries(&["ls-files", "-z", "--cached", "--recurse-submodules"])
            .or_else(|_| git.entries(&["ls-files", "-z", "--cached"]));
        let mut files = tracked.ok()?;
        files.extend(git.entries(&["ls-files", "-z", "--others", "--exclude-standard"]).ok()?);
        Some(Self(files))
    }

    /// The files that match a pattern themselves, or are in a folder that does; a repository within this one is a
    /// folder with a slash at its end; `None` if they are unknown, or too many to be named.
    pub(crate) fn matching(&self, pattern: &str) -> Option<Vec<String>> {
        let pattern = Pattern::new(pattern).ok()?;
        let is_meant = |file: &&String| {
            let is_repository = file.ends_with('/');
            let folders = file.match_indices('/').map(|(at, _)| &file[..at]);
            is_repository
                || pattern.matches_with(file, OPTIONS)
                || folders.into_iter().any(|folder| pattern.matches_with(folder, OPTIONS))
        };
        let found: Vec<String> = self.0.iter().filter(is_meant).take(MAX_MATCHING + 1).cloned().collect();
        (found.len() <= MAX_MATCHING).then_some(found)
    }

    /// Whether a file or a folder matches a pattern without braces. True for a pattern that is not understood here.
    pub(super) fn has_match(&self, pattern: &str) -> bool {
        let Ok(pattern) = Pattern::new(pattern.trim_end_matches('/')) else { return true };
        self.files().chain(self.folders()).any(|path| pattern.matches_with(path, OPTIONS))
    }

    /// The files, without the slash of a repository within this one.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|file| file.trim_end_matches('/'))
    }

    /// The folders, without a slash at the end. One that has several files comes several times.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|file| file.match_indices('/').map(move |(at, _)| &file[..at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_files_that_match_and_those_in_folders_that_do() {
        let files = ["src/db.rs", "src/auth/token.rs", "lib/node_modules/a/index.js", "notes.md", "kit/"];
        let tree = Tree(files.map(str::to_owned).to_vec());
        for (pattern, expected) in [
            ("**/*.rs", &["src/db.rs", "src/auth/token.rs", "kit/"][..]),
            ("src/*.rs", &["src/db.rs", "kit/"]),
            ("**/node_modules", &["lib/node_modules/a/index.js", "kit/"]),
            ("src/**", &["src/db.rs", "src/auth/token.rs", "kit/"]),
            ("**/*.pyc", &["kit/"]),
        ] {
            assert_eq!(tree.matching(pattern).expect("few files"), expected, "{pattern}");
        }
        assert!(tree.matching("a**b").is_none());
    }
}
