//! Goes through a command from left to right, with the folder and the variables that each part of it has.

use super::{
    Writes,
    budget::Budget,
    find, git, program,
    token::{KEYWORDS, MAX_LETTERS, Token, tokens},
    word::{Piece, Variables, Word},
};
use std::path::{Component, Path, PathBuf};

/// Commands within commands that are followed.
const MAX_DEPTH: usize = 6;

/// What a command writes that starts in this folder.
pub(super) fn walk(command: &str, folder: &Path) -> Writes {
    let mut shell = Shell { folder: Some(folder.to_owned()), ..Shell::default() };
    shell.variables.insert("PWD".to_owned(), vec![folder.to_string_lossy().into_owned()]);
    if let Some(home) = std::env::home_dir() {
        shell.variables.insert("HOME".to_owned(), vec![home.to_string_lossy().into_owned()]);
    }
    shell.run(command);
    shell.writes.is_beyond = shell.budget.is_over();
    shell.writes
}

/// The pattern of all files below a folder.
pub(super) const EVERYTHING: &str = "**";

/// Letters that a variable counts as where all of them are kept for later.
const LETTERS_OF_VARIABLE: usize = 16;

/// Where a command stands.
#[derive(Default)]
pub(super) struct Shell {
    /// The folder, if it is known.
    pub(super) folder: Option<PathBuf>,
    pub(super) writes: Writes,
    variables: Variables,
    budget: Budget,
    /// The folders of the shells around this one.
    outer: Vec<Option<PathBuf>>,
    depth: usize,
}

/// A command without its redirections.
pub(super) struct Simple {
    /// Its words that are known, in order.
    pub(super) words: Vec<String>,
    /// Whether there are others.
    pub(super) is_partial: bool,
    /// What it reads from a here-document.
    pub(super) here: Option<String>,
    /// What it reads from a file.
    pub(super) input: Option<String>,
}

impl Shell {
    /// What a command writes that this one starts: by itself, since its words stand for something else.
    pub(super) fn aside(&mut self, words: Vec<String>) -> Writes {
        if self.depth == MAX_DEPTH {
            return Writes::default();
        }
        self.depth += 1;
        let writes = std::mem::take(&mut self.writes);
        let (folder, variables) = (self.folder.clone(), self.variables.clone());
        self.simple(Simple { words, is_partial: false, here: None, input: None });
        (self.folder, self.variables) = (folder, variables);
        self.depth -= 1;
        std::mem::replace(&mut self.writes, writes)
    }

    /// A command within this one, in the same folder, which it does not change.
    pub(super) fn inner(&mut self, command: &str) {
        let kept = self.variables.len() * LETTERS_OF_VARIABLE;
        if self.depth == MAX_DEPTH || !self.budget.letters(kept) {
            return;
        }
        self.depth += 1;
        let (folder, outer) = (self.folder.clone(), std::mem::take(&mut self.outer));
        let variables = self.variables.clone();
        self.run(command);
        (self.folder, self.outer, self.variables) = (folder, outer, variables);
        self.depth -= 1;
    }

    /// A command that runs as if it were typed here.
    pub(super) fn eval(&mut self, command: &str) {
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            self.run(command);
            self.depth -= 1;
        }
    }

    fn run(&mut self, command: &str) {
        if command.len() > MAX_LETTERS {
            self.budget.end();
        }
        if !self.budget.letters(command.len()) {
            return;
        }
        let tokens = tokens(command);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                Token::Open => self.outer.push(self.folder.clone()),
                Token::Close => {
                    // The pattern of a `case` ends in one that was never opened.
                    if let Some(folder) = self.outer.pop() {
                        self.folder = folder;
                    }
                }
                Token::End => {}
                _ => {
                    let length = tokens[at..]
                        .iter()
                        .position(|token| matches!(token, Token::End | Token::Open | Token::Close))
                        .unwrap_or(tokens.len() - at);
                    self.command(&tokens[at..at + length]);
                    at += length;
                    continue;
                }
            }
            at += 1;
        }
    }

    /// One command with its redirections.
    fn command(&mut self, tokens: &[Token]) {
        let is_test = matches!(tokens.first(), Some(Token::Word(word)) if word.source() == "[[");
        let mut words: Vec<&Word> = Vec::new();
        let mut simple = Simple { words: Vec::new(), is_partial: false, here: None, input: None };
        let mut at = 0;
        while at < tokens.len() {
            let target = || match tokens.get(at + 1) {
                Some(Token::Word(word)) => Some(word),
                _ => None,
            };
            match &tokens[at] {
                Token::Word(word) => {
                    word.commands.iter().for_each(|command| self.inner(command));
                    words.push(word);
                }
                Token::Here(text) => simple.here = Some(text.clone()),
                Token::Write | Token::WriteOrNumber | Token::Read if is_test => {}
                token @ (Token::Write | Token::WriteOrNumber) => {
                    if let Some(word) = target() {
                        word.commands.iter().for_each(|command| self.inner(command));
                        let is_stream = *token == Token::WriteOrNumber
                            && (word.is_number() || word.literal().as_deref() == Some("-"));
                        if !is_stream {
                            self.write_to(word);
                        }
                        at += 1;
                    }
                }
                Token::Read => {
                    if let Some(word) = target() {
                        simple.input = self.texts(word).into_iter().next();
                        at += 1;
                    }
                }
                Token::End | Token::Open | Token::Close => {}
            }
            at += 1;
        }
        if !is_test {
            self.words(&words, simple);
        }
    }

    fn write_to(&mut self, word: &Word) {
        for text in self.texts(word) {
            self.write(&text);
        }
    }

    fn texts(&mut self, word: &Word) -> Vec<String> {
        word.texts(&self.variables, self.folder.as_deref(), &mut self.budget)
    }

    fn words(&mut self, words: &[&Word], mut simple: Simple) {
        let is_keyword = |word: &&&Word| {
            !word.is_quoted() && word.literal().is_some_and(|text| KEYWORDS.contains(&text.as_str()))
        };
        let mut words: &[&Word] = &words[words.iter().take_while(is_keyword).count()..];
        if let [first, name, is_in, values @ ..] = words
            && first.literal().as_deref() == Some("for")
            && is_in.literal().as_deref() == Some("in")
        {
            let mut texts = Vec::new();
            for word in values {
                texts.extend(self.texts(word));
            }
            self.set(&name.literal().unwrap_or_default(), texts);
            return;
        }
        let mut set = Vec::new();
        while let Some((first, rest)) = words.split_first()
            && let Some((name, value)) = assignment(first)
        {
            set.push((name, self.texts(&value)));
            words = rest;
        }
        if words.is_empty() {
            // Only what stands alone stays set.
            set.into_iter().for_each(|(name, values)| self.set(&name, values));
            return;
        }
        // A word that is not known is left out: the others still say something.
        for word in words {
            let texts = self.texts(word);
            simple.is_partial |= texts.is_empty();
            let is_first = simple.words.is_empty();
            simple.words.extend(texts);
            // Whatever a program that is not known finds by its words, it is not looked at.
            if is_first && simple.words.first().is_some_and(|name| !program::is_known(base(name))) {
                return;
            }
        }
        self.simple(simple);
    }

    fn set(&mut self, name: &str, values: Vec<String>) {
        if values.is_empty() {
            self.variables.remove(name);
        } else {
            self.variables.insert(name.to_owned(), values);
        }
    }

    /// A command whose words are known.
    pub(super) fn simple(&mut self, mut simple: Simple) {
        program::without_prefix(&mut simple.words);
        let Some(name) = simple.words.first().map(|word| base(word).to_owned()) else { return };
        let arguments: Vec<String> = simple.words.drain(1..).collect();
        match name.as_str() {
            "cd" | "pushd" if simple.is_partial => self.folder = None,
            "cd" | "pushd" => self.change_folder(&arguments),
            "popd" => self.folder = None,
            "export" | "local" | "declare" | "typeset" | "readonly" => {
                for argument in arguments {
                    if let Some((name, value)) = argument.split_once('=') {
                        self.set(name, vec![value.to_owned()]);
                    }
                }
            }
            "git" => git::run(self, arguments, &simple),
            "find" => find::run(self, &arguments, &simple),
            _ => program::run(self, &name, &arguments, &simple),
        }
    }

    fn change_folder(&mut self, arguments: &[String]) {
        let target = arguments.iter().find(|word| !word.starts_with('-') || word.as_str() == "-");
        self.folder = match target.map(String::as_str) {
            Some("-") => None,
            Some(folder) => self.resolve(folder),
            None => std::env::home_dir(),
        };
        if let Some(folder) = &self.folder {
            self.variables.insert("PWD".to_owned(), vec![folder.to_string_lossy().into_owned()]);
        } else {
            self.variables.remove("PWD");
        }
    }

    /// A path as an absolute one; none while the folder is not known.
    pub(super) fn resolve(&self, path: &str) -> Option<PathBuf> {
        if path.is_empty() || path.contains('\0') {
            return None;
        }
        let path = Path::new(path);
        if path.is_absolute() {
            return Some(normal(path));
        }
        Some(normal(&self.folder.as_ref()?.join(path)))
    }

    /// A file that the command writes.
    pub(super) fn write(&mut self, path: &str) {
        if let Some(path) = self.resolve(path)
            && !self.writes.path(path)
        {
            self.budget.end();
        }
    }

    /// A folder below which it may write any file that matches the pattern.
    pub(super) fn anywhere(&mut self, folder: &str, pattern: &str) {
        if let Some(folder) = self.resolve(folder) {
            self.writes.anywhere(folder, pattern.to_owned());
        }
    }

    /// A folder below which the command throws away what is not committed.
    pub(super) fn discard(&mut self, folder: &str) {
        if let Some(folder) = self.resolve(folder)
            && !self.writes.discard(folder)
        {
            self.budget.end();
        }
    }
}

/// `NAME=value` in front of a command.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Piece::Text(text, false)) = word.pieces.first() else { return None };
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name {
        return None;
    }
    let mut rest = Word { pieces: vec![Piece::Text(value.to_owned(), false)], commands: Vec::new() };
    rest.pieces.extend(word.pieces.iter().skip(1).cloned());
    Some((name.to_owned(), rest))
}

/// The name of a program without its folder.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Without `.` and `..`, as far as that is a matter of words alone.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
