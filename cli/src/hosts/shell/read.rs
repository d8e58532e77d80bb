//! Parses a text into the tree that a shell would make of it. It never panics, never overflows a stack and never takes
//! long: the parser counts depth, work and stack, and the result names the bound that was exceeded.

use shuck_ast::File;
use shuck_parser::parser::{ParseStatus, Parser, ShellDialect};

/// Bytes of a text that are parsed. Commands of agents are shorter, and so are the files that they write by
/// here-documents.
pub(super) const MAX_BYTES: usize = 500_000;

/// Opening braces between two spaces: the time for nested braces grows with the square of their number.
const MAX_BRACES: usize = 400;

/// A text and its tree. The spans of the tree are positions in the text.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: String,
    pub(super) file: File,
}

/// Why a text cannot be read.
pub(super) const TOO_LONG: &str = "its command is too long";
pub(super) const NO_SYNTAX: &str = "its command is no shell syntax that is known here";
pub(super) const TOO_DEEP: &str = "its command is nested too deeply";
pub(super) const TOO_SLOW: &str = "its command takes too long to read";

/// The tree of a text, and the reason if a part of it is missing. Shells of agents are like bash, or zsh.
pub(super) fn read(text: &str) -> (Option<Script>, Option<&'static str>) {
    if text.len() > MAX_BYTES {
        return (None, Some(TOO_LONG));
    }
    if most_braces(text) > MAX_BRACES {
        return (None, Some(TOO_DEEP));
    }
    let result = Parser::new(text).parse();
    if result.status == ParseStatus::Clean {
        return (Some(Script { text: text.to_owned(), file: result.file }), None);
    }
    let of_zsh = Parser::with_dialect(text, ShellDialect::Zsh).parse();
    if of_zsh.status == ParseStatus::Clean {
        return (Some(Script { text: text.to_owned(), file: of_zsh.file }), None);
    }
    let is_limit = |word: &str| result.diagnostics.iter().any(|found| found.message.contains(word));
    let why = match () {
        () if is_limit("too deep") => TOO_DEEP,
        () if is_limit("too long") || is_limit("fuel") => TOO_LONG,
        () => NO_SYNTAX,
    };
    (Some(Script { text: text.to_owned(), file: result.file }), Some(why))
}

/// The most opening braces between two spaces.
fn most_braces(text: &str) -> usize {
    let runs = text.split(char::is_whitespace);
    runs.map(|run| run.bytes().filter(|byte| *byte == b'{').count()).max().unwrap_or_default()
}
