//! The files that a patch writes: a patch in the form of Codex, or a unified diff. It reads no file and checks no
//! content.

use std::{collections::BTreeSet, path::PathBuf};

/// Files of one patch that are listed: a longer patch is a generated one.
const MAX_FILES: usize = 2_000;

/// The files of a patch as `apply_patch` takes it: added, updated, deleted, and where they are moved to; `None` if they
/// are too many.
///
/// Codex trims a line before it looks for one of the marks, also among the lines of an update, and takes the rest of
/// the line for the name as it is (codex-rs/apply-patch, `StreamingPatchParser`).
pub(crate) fn paths(body: &str) -> Option<Vec<PathBuf>> {
    const MARKS: [&str; 4] = ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    // Added and removed lines begin with their sign.
    let named = |line: &str| MARKS.iter().find_map(|mark| line.trim().strip_prefix(mark)).map(str::to_owned);
    distinct(body.lines().filter_map(named))
}

/// The files of a unified diff, each without as many leading folders as `strip` says; `None` if they are too many.
pub(crate) fn diff_paths(diff: &str, strip: usize) -> Option<Vec<PathBuf>> {
    let named = |line: &str| {
        let name = line.strip_prefix("--- ").or_else(|| line.strip_prefix("+++ "));
        let git = ["rename from ", "rename to ", "copy to "].iter().find_map(|mark| line.strip_prefix(mark));
        match (name, git) {
            // Some tools write a time after a tab.
            (Some(name), _) => stripped(name.split('\t').next().unwrap_or(name), strip),
            (None, Some(name)) => Some(name.trim().to_owned()),
            (None, None) => None,
        }
    };
    distinct(diff.lines().filter_map(named))
}

fn stripped(name: &str, strip: usize) -> Option<String> {
    let name = name.trim();
    if name == "/dev/null" {
        return None;
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let rest = parts.get(strip..).filter(|rest| !rest.is_empty())?;
    Some(rest.join("/"))
}

fn distinct(names: impl Iterator<Item = String>) -> Option<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut paths: Vec<PathBuf> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if seen.insert(name.clone()) {
            paths.push(PathBuf::from(name));
        }
        if paths.len() > MAX_FILES {
            return None;
        }
    }
    Some(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(paths: Option<Vec<PathBuf>>) -> Vec<String> {
        paths.expect("few files").iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn content_that_looks_like_a_mark_is_content() {
        let body = "*** Begin Patch\n*** Add File: a.md\n+*** Delete File: b.md\n*** Update File: c.md\n@@\n-*** Move to: d.md\n\
                    + *** Add File: e.md\n*** End Patch";
        assert_eq!(named(paths(body)), ["a.md", "c.md"]);
    }

    #[test]
    fn a_mark_counts_wherever_codex_sees_it() {
        for (body, expected) in [
            ("*** Add File: own.md\n+x\n  *** Delete File: src/db.rs", &["own.md", "src/db.rs"][..]),
            ("*** Delete File: a\n\t*** Delete File: b  \r\n", &["a", "b"]),
            ("*** Update File: a\n *** Move to: b\n@@\n-x\n+y", &["a", "b"]),
            ("*** Update File: a\n@@\n-x\n+y\n *** Delete File: b", &["a", "b"]),
            ("<<'EOF'\n *** Begin Patch\n*** Add File:  a b\n+x\n*** End Patch\nEOF", &[" a b"]),
        ] {
            assert_eq!(named(paths(body)), expected, "{body:?}");
        }
    }

    #[test]
    fn a_name_that_is_repeated_hides_no_other_one() {
        let repeated = "*** Update File: lib/x.rs\n".repeat(MAX_FILES) + "*** Delete File: src/db.rs";
        assert_eq!(named(paths(&repeated)), ["lib/x.rs", "src/db.rs"]);
        let many: String = (0..=MAX_FILES).map(|at| format!("*** Delete File: {at}\n")).collect();
        assert_eq!(paths(&many), None);
        let many: String = (0..=MAX_FILES).map(|at| format!("--- a/{at}\n+++ b/{at}\n")).collect();
        assert_eq!(diff_paths(&many, 1), None);
    }

    #[test]
    fn a_diff_names_its_files_without_the_first_folder() {
        let diff = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\t2026-01-01\n+++ b/src/a.rs\n@@ -1 +1 @@\n-x\n+y\n\
                    --- /dev/null\n+++ b/new.rs\n@@ -0,0 +1 @@\n+z\nrename from old/x.rs\nrename to new/x.rs\n";
        assert_eq!(named(diff_paths(diff, 1)), ["src/a.rs", "new.rs", "old/x.rs", "new/x.rs"]);
        assert_eq!(named(diff_paths("--- src/a.rs\n+++ src/a.rs\n", 0)), ["src/a.rs"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(body in "(\\*\\*\\* (Add|Update|Delete) File: |--- |\\+\\+\\+ |.|\\n){0,60}", strip in 0usize..5) {
            let _ = (paths(&body), diff_paths(&body, strip));
        }

        #[test]
        fn every_file_that_is_named_is_found(names in proptest::collection::btree_set("[a-z]{1,8}/[a-z]{1,8}\\.rs", 1..8)) {
            let body: String = names.iter().map(|name| format!("*** Update File: {name}\n@@\n-a\n+b\n")).collect();
            let found: BTreeSet<String> = named(paths(&body)).into_iter().collect();
            prop_assert_eq!(found, names);
        }
    }
}
