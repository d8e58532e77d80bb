//! Which files a patch writes: the one that Codex sends, and unified diffs. Reads no file, checks no content.

use std::path::PathBuf;

/// Files of one patch that are looked at: a longer patch is a generated one.
const MAX_FILES: usize = 2_000;

/// The files of a patch as `apply_patch` takes it: added, updated, deleted, and where they are moved to.
pub(crate) fn paths(body: &str) -> Vec<PathBuf> {
    const MARKS: [&str; 4] = ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    // A line of content starts with its sign: it cannot be taken for one of these.
    let named = |line: &str| MARKS.iter().find_map(|mark| line.strip_prefix(mark)).map(str::to_owned);
    distinct(body.lines().filter_map(named))
}

/// The files of a unified diff, each without as many leading folders as `strip` says.
pub(crate) fn diff_paths(diff: &str, strip: usize) -> Vec<PathBuf> {
    let named = |line: &str| {
        let name = line.strip_prefix("--- ").or_else(|| line.strip_prefix("+++ "));
        let git = ["rename from ", "rename to ", "copy to "].iter().find_map(|mark| line.strip_prefix(mark));
        match (name, git) {
            // Some tools write a time after a tab.
            (Some(name), _) => stripped(name.split('\t').next().unwrap_or(name), strip),
            (None, Some(name)) => Some(name.to_owned()),
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

fn distinct(names: impl Iterator<Item = String>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for name in names.take(MAX_FILES) {
        let path = PathBuf::from(name.trim());
        if !path.as_os_str().is_empty() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn content_that_looks_like_a_mark_is_content() {
        let body = "*** Begin Patch\n*** Add File: a.md\n+*** Delete File: b.md\n *** Update File: c.md\n*** End Patch";
        assert_eq!(paths(body), [PathBuf::from("a.md")]);
    }

    #[test]
    fn a_diff_names_its_files_without_the_first_folder() {
        let diff = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\t2026-01-01\n+++ b/src/a.rs\n@@ -1 +1 @@\n-x\n+y\n\
                    --- /dev/null\n+++ b/new.rs\n@@ -0,0 +1 @@\n+z\nrename from old/x.rs\nrename to new/x.rs\n";
        let expected = ["src/a.rs", "new.rs", "old/x.rs", "new/x.rs"].map(PathBuf::from);
        assert_eq!(diff_paths(diff, 1), expected);
        assert_eq!(diff_paths("--- src/a.rs\n+++ src/a.rs\n", 0), [PathBuf::from("src/a.rs")]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(body in "(\\*\\*\\* (Add|Update|Delete) File: |--- |\\+\\+\\+ |.|\\n){0,60}", strip in 0usize..5) {
            let _ = (paths(&body), diff_paths(&body, strip));
        }

        #[test]
        fn every_file_that_is_named_is_found(names in proptest::collection::btree_set("[a-z]{1,8}/[a-z]{1,8}\\.rs", 1..8)) {
            let body: String = names.iter().map(|name| format!("*** Update File: {name}\n@@\n-a\n+b\n")).collect();
            let found: std::collections::BTreeSet<String> =
                paths(&body).iter().map(|path| path.display().to_string()).collect();
            prop_assert_eq!(found, names);
        }
    }
}
