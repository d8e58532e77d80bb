//! Doc comments of one or two words repeat the name that they stand on. They say the unit, the range or the reason, or
//! they go.

use crate::{root, sources};
use std::{collections::BTreeMap, fs};

/// Words that a doc comment has at least.
const FEWEST_WORDS: usize = 3;

/// Shorter ones that are still there, by the folder of their crate. The numbers only shrink.
const LEFT: [(&str, usize); 7] = [
    ("raft-store/base2histogram", 5),
    ("raft-store/domain", 281),
    ("raft-store", 15),
    ("api/types", 151),
    ("api/mcp", 12),
    ("api", 29),
    ("node", 39),
];

/// Names of products: the help of a command says no more of them.
const PRODUCTS: [&str; 4] = ["Claude Code", "Codex CLI", "Cursor", "Gemini CLI"];

/// The crates, those within others first.
const CRATES: [&str; 9] = [
    "raft-store/base2histogram",
    "raft-store/domain",
    "raft-store",
    "api/types",
    "api/mcp",
    "api",
    "node",
    "cli",
    "tests",
];

/// The doc comments of a text with too few words, each with the line of its beginning.
fn short_docs(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut doc: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        match line.strip_prefix("///").filter(|rest| !rest.starts_with('/')) {
            Some(rest) => match &mut doc {
                Some((_, text)) => *text += rest,
                None => doc = Some((at + 1, rest.to_owned())),
            },
            None => found.extend(doc.take()),
        }
    }
    found.extend(doc);
    found.retain(|(_, text)| {
        let is_product = PRODUCTS.contains(&text.trim().trim_end_matches('.'));
        text.split_whitespace().count() < FEWEST_WORDS && !is_product
    });
    found
}

#[test]
fn a_doc_comment_says_more_than_the_name() {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in sources() {
        let name = path.strip_prefix(root()).expect("sources are in the repository");
        let owner = CRATES.into_iter().find(|owner| name.starts_with(owner)).expect("a source is in a crate");
        let text = fs::read_to_string(&path).expect("a source file can be read");
        for (line, doc) in short_docs(&text) {
            found.entry(owner).or_default().push(format!("{}:{line}:{doc}", name.display()));
        }
    }
    let mut wrong = Vec::new();
    for owner in CRATES {
        let allowed = LEFT.iter().find(|(left, _)| *left == owner).map_or(0, |(_, count)| *count);
        let list = found.remove(owner).unwrap_or_default();
        if list.len() > allowed {
            wrong.push(format!(
                "{owner} has {} doc comments of fewer than {FEWEST_WORDS} words, and {allowed} are allowed:\n  {}",
                list.len(),
                list.join("\n  ")
            ));
        } else if list.len() < allowed {
            wrong.push(format!("{owner} has only {} left: lower its number from {allowed}", list.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_whole_comments_count() {
    let text = "/// Where.\nstruct A;\n/// Two lines,\n/// as one.\nstruct B;\n    /// Its name.\n    c: u8,\n//// No doc\n";
    let expected = vec![(1, " Where.".to_owned()), (6, " Its name.".to_owned())];
    assert_eq!(short_docs(text), expected);
}
