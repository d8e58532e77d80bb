//! Doc comments of one or two words repeat the name that they stand on. They say the unit, the range or the reason, or
//! they go.

use crate::{root, sources};
use std::fs;

/// Words that a doc comment has at least.
const FEWEST_WORDS: usize = 3;

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
    found.retain(|(_, text)| text.split_whitespace().count() < FEWEST_WORDS);
    found
}

#[test]
fn a_doc_comment_says_more_than_the_name() {
    let mut found = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        let name = path.strip_prefix(root()).expect("sources are in the repository").display();
        found.extend(short_docs(&text).into_iter().map(|(line, doc)| format!("{name}:{line}:{doc}")));
    }
    assert!(found.is_empty(), "doc comments of fewer than {FEWEST_WORDS} words:\n{}", found.join("\n"));
}

#[test]
fn only_whole_comments_count() {
    let text = "/// Where.\nstruct A;\n/// Two lines,\n/// as one.\nstruct B;\n    /// Its name.\n    c: u8,\n//// No doc\n";
    let expected = vec![(1, " Where.".to_owned()), (6, " Its name.".to_owned())];
    assert_eq!(short_docs(text), expected);
}
