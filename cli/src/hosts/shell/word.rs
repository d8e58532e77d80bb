//! A word of a command, and what it stands for: variables that were set before, files that a glob finds.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Texts that one word may stand for: `{a,b}{c,d}…` could be any number.
const MAX_TEXTS: usize = 256;

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
        self.pieces.push(Piece::Text(letters.collect(), true));
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
    pub(super) fn texts(&self, variables: &Variables, folder: Option<&Path>) -> Vec<String> {
        let mut texts = vec![Draft::default()];
        for (at, piece) in self.pieces.iter().enumerate() {
            let values = match piece {
                Piece::Text(text, false) if at == 0 => alternatives(&home(text)),
                Piece::Text(text, false) => alternatives(text),
                Piece::Text(text, true) => vec![text.clone()],
                Piece::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
                Piece::Glob(letter) => {
                    texts.iter_mut().for_each(|draft| draft.glob(*letter));
                    continue;
                }
                Piece::Unknown => Vec::new(),
            };
            if values.len() * texts.len() > MAX_TEXTS {
                return Vec::new();
            }
            texts = texts.iter().flat_map(|draft| values.iter().map(|value| draft.with(value))).collect();
        }
        texts.into_iter().flat_map(|draft| draft.found(folder)).collect()
    }
}

/// A text that is being put together: what it says, and the same as a pattern.
#[derive(Clone, Default)]
struct Draft {
    text: String,
    pattern: String,
    is_glob: bool,
}

impl Draft {
    fn glob(&mut self, letter: char) {
        self.text.push(letter);
        self.pattern.push(letter);
        self.is_glob = true;
    }

    fn with(&self, value: &str) -> Self {
        let mut draft = self.clone();
        draft.text.push_str(value);
        // The end of `[…]` is written without being one of the letters that begin a glob.
        let is_inside = draft.pattern.rfind('[').is_some_and(|open| !draft.pattern[open..].contains(']'));
        if draft.is_glob && is_inside {
            draft.pattern.push_str(value);
        } else {
            draft.pattern.push_str(&glob::Pattern::escape(value));
        }
        draft
    }

    fn found(self, folder: Option<&Path>) -> Vec<String> {
        if !self.is_glob {
            return vec![self.text];
        }
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let Some(folder) = folder else { return Vec::new() };
        let base = if Path::new(&self.text).is_absolute() {
            PathBuf::new()
        } else {
            PathBuf::from(glob::Pattern::escape(&folder.to_string_lossy()))
        };
        let pattern = base.join(&self.pattern);
        // `**` means no more than `*` to a shell, and a whole disk to this crate.
        let pattern = pattern.to_string_lossy().replace("**", "*");
        let Ok(found) = glob::glob_with(&pattern, options) else { return Vec::new() };
        let found: Vec<String> =
            found.flatten().take(MAX_TEXTS).map(|path| path.to_string_lossy().into_owned()).collect();
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

/// `a{b,c}d` is `abd` and `acd`.
fn alternatives(text: &str) -> Vec<String> {
    let Some(open) = text.find('{') else { return vec![text.to_owned()] };
    let mut depth = 0;
    let mut commas = Vec::new();
    let mut close = None;
    for (at, letter) in text.char_indices().skip_while(|(at, _)| *at < open) {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    close = Some(at);
                    break;
                }
            }
            ',' if depth == 1 => commas.push(at),
            _ => {}
        }
    }
    let Some(close) = close.filter(|_| !commas.is_empty()) else { return vec![text.to_owned()] };
    let mut from = open + 1;
    let mut found = Vec::new();
    for to in commas.into_iter().chain([close]) {
        found.extend(alternatives(&format!("{}{}{}", &text[..open], &text[from..to], &text[close + 1..])));
        from = to + 1;
        if found.len() > MAX_TEXTS {
            return Vec::new();
        }
    }
    found
}
