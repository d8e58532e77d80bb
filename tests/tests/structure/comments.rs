//! Comments: their width, and doc comments that say too little or are no sentence.
//!
//! A doc of one or two words repeats the name that it stands on. A doc that begins with a relative or a preposition,
//! such as "Where it is." or "With a body.", is the end of a sentence whose beginning is missing.

use crate::{root, sources};
use std::fs;

/// Words that a doc comment has at least.
const FEWEST_WORDS: usize = 3;

/// Columns that a comment has at most.
const WIDEST: usize = 120;

/// Words that begin a fragment. "How", "When", "Whether" and "Why" are not among them, since an engineer finds "Whether
/// it is held." natural.
const FRAGMENT_WORDS: [&str; 29] = [
    "What", "Where", "Which", "Who", "Whom", "Whose", "After", "Among", "As", "At", "Before", "Below",
    "Beneath", "Beside", "Between", "By", "For", "From", "In", "Into", "None", "Of", "On", "Since", "To",
    "Until", "With", "Within", "Without",
];

/// Limits, which may begin a sentence: "At most this much of a step counts."
const LIMITS: [&str; 2] = ["At least ", "At most "];

/// Words that a sentence with a beginning of its own has at least, if it is not the first one of its doc.
const SHORTEST_SENTENCE: usize = 5;

/// The advice that follows the list of fragments.
const ADVICE: &str = "Say what it is or does, with a noun or a verb first, and add the unit, the range, the reason or \
                      the error. Delete the comment of a private item whose name says it all.";

/// The doc comments of a text that are wrong in some way, each with the line of its beginning.
fn docs_that(are_wrong: fn(&str) -> bool, text: &str) -> Vec<(usize, String)> {
    docs(text).into_iter().filter(|(_, doc)| are_wrong(doc)).collect()
}

/// The doc comments of a text, each with the line of its beginning.
fn docs(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut doc: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let outer = line.strip_prefix("///").filter(|rest| !rest.starts_with('/'));
        match outer.or_else(|| line.strip_prefix("//!")) {
            Some(rest) => match &mut doc {
                Some((_, text)) => *text += rest,
                None => doc = Some((at + 1, rest.to_owned())),
            },
            None => found.extend(doc.take()),
        }
    }
    found.extend(doc);
    found
}

/// Whether a doc comment has too few words. It may have none, as an empty line does in the middle of an example.
fn is_short(doc: &str) -> bool {
    doc.split_whitespace().count() < FEWEST_WORDS
}

/// Whether a doc comment, or a short sentence in it, lacks its beginning.
fn is_fragment(doc: &str) -> bool {
    let begins_wrongly = |sentence: &str| {
        let word = sentence.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        FRAGMENT_WORDS.contains(&word) && !LIMITS.iter().any(|limit| sentence.starts_with(limit))
    };
    let is_short = |sentence: &str| sentence.split_whitespace().count() < SHORTEST_SENTENCE;
    let mut sentences = doc.split(". ").map(str::trim).enumerate();
    sentences.any(|(at, sentence)| begins_wrongly(sentence) && (at == 0 || is_short(sentence)))
}

/// The lines of a text whose comments are too wide.
fn wide_lines(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//"));
    let wide = lines.filter(|(_, line)| line.chars().count() > WIDEST);
    wide.map(|(at, line)| (at + 1, line.to_owned())).collect()
}

/// The findings of `find` in all sources, a line each.
fn report(find: impl Fn(&str) -> Vec<(usize, String)>) -> String {
    let mut report = String::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        let name = path.strip_prefix(root()).expect("sources are in the repository").display();
        for (line, found) in find(&text) {
            report += &format!("{name}:{line}:{found}\n");
        }
    }
    report
}

#[test]
fn a_doc_comment_says_more_than_the_name() {
    let short = report(|text| docs_that(is_short, text));
    assert!(short.is_empty(), "doc comments of fewer than {FEWEST_WORDS} words:\n{short}{ADVICE}");
}

#[test]
fn a_doc_comment_is_no_fragment() {
    let fragments = report(|text| docs_that(is_fragment, text));
    assert!(fragments.is_empty(), "doc comments that are the end of a sentence:\n{fragments}{ADVICE}");
}

#[test]
fn a_comment_fits_the_screen() {
    let wide = report(wide_lines);
    assert!(wide.is_empty(), "comments with more than {WIDEST} columns, which have to be wrapped:\n{wide}");
}

#[test]
fn only_whole_comments_count() {
    let text = "/// Where.\nstruct A;\n/// Two lines,\n/// as one.\nstruct B;\n    /// Its name.\n    c: u8,\n//// No doc\n";
    assert_eq!(docs_that(is_short, text), [(1, " Where.".to_owned()), (6, " Its name.".to_owned())]);
}

#[test]
fn fragments_are_found_and_sentences_are_not() {
    for fragment in [
        "Where it is.",
        "What a client fills in.",
        "With a body.",
        "As the server sent it.",
        "As [`Self::send`].",
        "None: the route asks for none.",
        "The secret, encrypted. In hexadecimal.",
    ] {
        assert!(is_fragment(&format!(" {fragment}")), "{fragment}");
    }
    for sentence in [
        "The session that acts.",
        "Adds a body, which is sent as JSON.",
        "Whether the file is held.",
        "`None` while there is no listener.",
        "At most this much of a step counts.",
        "Asks the cluster. In an outage, the policy decides.",
        "Inform the agent of a refusal.",
    ] {
        assert!(!is_fragment(&format!(" {sentence}")), "{sentence}");
    }
}

#[test]
fn wide_comments_are_found_and_wide_code_is_not() {
    let (code, comment) = ("x".repeat(WIDEST + 1), format!("// {}", "x".repeat(WIDEST)));
    let found = wide_lines(&format!("{code}\n    {comment}\n// x\n"));
    assert_eq!(found, [(2, format!("    {comment}"))]);
}
