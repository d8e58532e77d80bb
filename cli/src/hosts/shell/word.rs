//! A word of a command, and what it stands for: variables that were set before, files that a glob finds.

use super::{budget::Budget, glob as files};
use std::{collections::BTreeMap, path::Path};

/// Texts that one word may stand for before its globs are looked at: `{a,b}{c,d}…` could be any number.
const MAX_TEXTS: usize = 256;

/// Braces of one word: more of them are no names.
const MAX_BRACES: usize = 32;

/// A word in pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Word {
    pub(super) pieces: Vec<Piece>,
    /// Commands that run while the word is made.
    pub(super) commands: Vec<String>,
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// As it is, and whether it was quoted.
    Text(String, bool),
    /// A variable.
    Variable(String),
    /// A letter of a glob.
    Glob(char),
    /// Something that nobody knows before the command runs.
    Unknown,
}

/// Variables whose values are known.
pub(super) type Variables = BTreeMap<String, Vec<String>>;

impl Word {
    pub(super) fn plain(&mut self, letter: char) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text, false)) => text.push(letter),
            _ => self.pieces.push(Piece::Text(letter.to_string(), false)),
        }
    }

    pub(super) fn quoted<'a>(&mut self, letters: impl Iterator<Item = &'a char>) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text, true)) => text.extend(letters),
            _ => self.pieces.push(Piece::Text(letters.collect(), true)),
        }
    }

    pub(super) fn command(&mut self, command: String) {
        self.commands.push(command);
        self.pieces.push(Piece::Unknown);
    }

    pub(super) fn variable(&mut self, name: &str) {
        let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        self.pieces.push(if is_name { Piece::Variable(name.to_owned()) } else { Piece::Unknown });
    }

    /// Whether it is a number without quotes.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Text(text, false)] if text.chars().all(|letter| letter.is_ascii_digit()))
    }

    /// Whether any of it was quoted.
    pub(super) fn is_quoted(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(_, true)))
    }

    /// Its text, if it has no variables and no globs.
    pub(super) fn literal(&self) -> Option<String> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text, _) => Some(text.clone()),
            _ => None,
        };
        self.pieces.iter().map(text).collect()
    }

    /// How it was written, without its quotes: the end of a here-document.
    pub(super) fn source(&self) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text, _) => text.clone(),
            Piece::Variable(name) => format!("${name}"),
            Piece::Glob(letter) => letter.to_string(),
            Piece::Unknown => String::new(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// The texts it stands for; none if that cannot be known. Globs become the files that they find.
    pub(super) fn texts(
        &self,
        variables: &Variables,
        folder: Option<&Path>,
        budget: &mut Budget,
    ) -> Vec<String> {
        let mut drafts = vec![Draft::default()];
        for (at, piece) in self.pieces.iter().enumerate() {
            let values = match piece {
                Piece::Text(text, false) if at == 0 => alternatives(&home(text), budget),
                Piece::Text(text, false) => alternatives(text, budget),
                Piece::Text(text, true) => vec![text.clone()],
                Piece::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
                Piece::Glob(letter) => {
                    drafts.iter_mut().for_each(|draft| draft.glob(*letter));
                    continue;
                }
                Piece::Unknown => Vec::new(),
            };
            if values.is_empty() || !with(&mut drafts, &values, budget) {
                return Vec::new();
            }
        }
        drafts.into_iter().flat_map(|draft| draft.found(folder, budget)).collect()
    }
}

/// Each of the drafts with each of the values; gives whether that is still little enough.
fn with(drafts: &mut Vec<Draft>, values: &[String], budget: &mut Budget) -> bool {
    if let [only] = values {
        drafts.iter_mut().for_each(|draft| draft.push(only));
        return budget.letters(drafts.len() * (only.len() + 1));
    }
    let number = drafts.len() * values.len();
    let letters: usize = drafts.iter().map(|draft| draft.text.len() + 1).sum::<usize>() * values.len();
    if number > MAX_TEXTS || !budget.letters(letters) {
        budget.end();
        return false;
    }
    let more = drafts.iter().flat_map(|draft| {
        values.iter().map(|value| {
            let mut draft = draft.clone();
            draft.push(value);
            draft
        })
    });
    *drafts = more.collect();
    true
}

/// A text that is being put together: what it says, and the same as a pattern.
#[derive(Clone, Default)]
struct Draft {
    text: String,
    pattern: String,
    is_glob: bool,
    /// Within `[…]`, whose end is written without being one of the letters that begin a glob.
    is_inside: bool,
}

impl Draft {
    fn glob(&mut self, letter: char) {
        self.text.push(letter);
        self.pattern.push(letter);
        self.is_glob = true;
        self.is_inside |= letter == '[';
    }

    fn push(&mut self, value: &str) {
        self.text.push_str(value);
        if self.is_inside {
            self.pattern.push_str(value);
            self.is_inside = !value.contains(']');
        } else {
            self.pattern.push_str(&glob::Pattern::escape(value));
        }
    }

    fn found(self, folder: Option<&Path>, budget: &mut Budget) -> Vec<String> {
        if !self.is_glob {
            return vec![self.text];
        }
        let Some(folder) = folder else { return Vec::new() };
        let found = files::found(&self.pattern, folder, budget);
        // A glob that finds nothing is a text to most shells: a file of that name, most likely with brackets.
        if found.is_empty() && !self.text.contains(['*', '?']) { vec![self.text] } else { found }
    }
}

fn home(text: &str) -> String {
    let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (rest, std::env::home_dir()) {
        (Some(rest), Some(home)) => format!("{}{rest}", home.display()),
        _ => text.to_owned(),
    }
}

/// `a{b,c}d` is `abd` and `acd`; none if these are too many.
fn alternatives(text: &str, budget: &mut Budget) -> Vec<String> {
    let mut found = Vec::new();
    let is_short = text.matches('{').count() <= MAX_BRACES;
    if !is_short && !text.contains(',') {
        return vec![text.to_owned()];
    }
    if !is_short || !spread("", text, &mut found, budget) {
        budget.end();
        return Vec::new();
    }
    found
}

/// Adds what a text stands for whose beginning needs no more looking at; gives whether there was room for it.
fn spread(done: &str, rest: &str, found: &mut Vec<String>, budget: &mut Budget) -> bool {
    if found.len() == MAX_TEXTS || !budget.letters(done.len() + rest.len()) {
        return false;
    }
    let groups = rest.match_indices('{').find_map(|(open, _)| Some((open, group(&rest[open..])?)));
    let Some((open, (parts, end))) = groups else {
        found.push(format!("{done}{rest}"));
        return true;
    };
    let done = format!("{done}{}", &rest[..open]);
    let after = &rest[open + end..];
    parts.into_iter().all(|part| spread(&done, &format!("{part}{after}"), found, budget))
}

/// The parts of a `{…,…}` that a text begins with, and where it ends.
fn group(text: &str) -> Option<(Vec<&str>, usize)> {
    let mut depth = 0;
    let mut parts = Vec::new();
    let mut from = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => {
                parts.push(&text[from..at]);
                return (parts.len() > 1).then_some((parts, at + 1));
            }
            '}' => depth -= 1,
            ',' if depth == 1 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}
