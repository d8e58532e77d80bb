//! Checks of the sources that the compiler cannot make.
//!
//! - [`dependencies`]: the allowed dependencies between crates.
//! - [`circles`]: modules that use each other in a circle; [`tokens`] reads what a file names.
//! - [`comments`]: comments that are too wide, and doc comments that say too little.
//! - [`documents`]: missing parts of documents, and links that lead nowhere.

mod circles;
mod comments;
mod dependencies;
mod documents;
mod tokens;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// All source files of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["raft-store", "api", "node", "cli", "tests"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a source folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the sources are where they were");
    found
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    /// A file that is longer is two files.
    const LONGEST: usize = 520;
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        assert!(text.starts_with("//!"), "{} does not open by saying what it is", path.display());
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_rules_know_no_clock_no_chance_and_no_order_by_chance() {
    let folder = root().join("raft-store/domain/src");
    for path in sources().into_iter().filter(|path| path.starts_with(&folder)) {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        for forbidden in
            ["std::time", "SystemTime", "Instant::now", "HashMap", "HashSet", "now_v7", "std::fs", "std::net"]
        {
            assert!(!text.contains(forbidden), "{} mentions {forbidden}", path.display());
        }
    }
}
