//! Takes a command apart into words, operators, redirections and here-documents. Expands nothing.

use super::word::{Piece, Word};

/// Longer commands are cut off here: what an agent types is shorter.
pub(super) const MAX_LETTERS: usize = 500_000;

/// Quotes and substitutions within each other that are followed.
const MAX_DEPTH: usize = 16;

/// Words in front of a command that are none.
pub(super) const KEYWORDS: [&str; 12] =
    ["if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!"];

/// One part of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word.
    Word(Word),
    /// `;`, `&&`, `||`, `|`, `&`, `;;` or the end of a line: a command ends here.
    End,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `>` and its like: the next word is written to.
    Write,
    /// `>&`: the next word is written to if it is no number.
    WriteOrNumber,
    /// `<` and its like: the next word is no argument.
    Read,
    /// A here-document, or a text from `<<<`.
    Here(String),
}

/// Takes a command apart.
pub(super) fn tokens(command: &str) -> Vec<Token> {
    let letters: Vec<char> = command.chars().take(MAX_LETTERS).collect();
    let mut lexer = Lexer::new(&letters, 0, 0);
    while let Some(letter) = lexer.peek(0) {
        lexer.step(letter);
    }
    // A here-document that the command does not end is what is left of it: nothing.
    lexer.here_documents();
    lexer.tokens
}

struct Lexer<'a> {
    letters: &'a [char],
    at: usize,
    tokens: Vec<Token>,
    /// Here-documents whose text starts after this line: where their token is, how they end, and whether
    /// tabs before their lines do not count.
    waiting: Vec<(usize, String, bool)>,
    /// Substitutions around this part.
    depth: usize,
}

/// What a `)` may end.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    /// `(…)`
    Parenthesis,
    /// `case … esac`: it ends a pattern, and nothing else.
    Case,
}

impl<'a> Lexer<'a> {
    const fn new(letters: &'a [char], at: usize, depth: usize) -> Self {
        Self { letters, at, tokens: Vec::new(), waiting: Vec::new(), depth }
    }

    /// Goes on to where the parenthesis closes that was opened before.
    fn closing(&mut self) -> usize {
        let mut within = Vec::new();
        while let Some(letter) = self.peek(0) {
            match letter {
                ')' if within.is_empty() => return self.at,
                ')' if within.last() == Some(&Within::Parenthesis) => drop(within.pop()),
                '(' if !self.is_arithmetic() => within.push(Within::Parenthesis),
                _ => {}
            }
            let is_start = self.is_start_of_command();
            let before = self.tokens.len();
            self.step(letter);
            let word = match self.tokens.get(before) {
                Some(Token::Word(word)) if !word.is_quoted() => word.literal(),
                _ => None,
            };
            match word.as_deref() {
                Some("case") if is_start => within.push(Within::Case),
                Some("esac") if within.last() == Some(&Within::Case) => drop(within.pop()),
                _ => {}
            }
        }
        self.letters.len()
    }

    fn is_arithmetic(&self) -> bool {
        self.starts_with("((") && self.is_start_of_command()
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, letter)| self.peek(ahead) == Some(letter))
    }

    fn step(&mut self, letter: char) {
        match letter {
            '\n' => {
                self.at += 1;
                self.tokens.push(Token::End);
                self.here_documents();
            }
            '\\' if self.peek(1) == Some('\n') => self.at += 2,
            letter if letter.is_whitespace() => self.at += 1,
            '#' => {
                while self.peek(0).is_some_and(|letter| letter != '\n') {
                    self.at += 1;
                }
            }
            '(' if self.is_arithmetic() => self.arithmetic(),
            '(' => self.single(Token::Open),
            ')' => self.single(Token::Close),
            ';' => self.single(Token::End),
            '|' => {
                self.at += if self.starts_with("|&") || self.starts_with("||") { 2 } else { 1 };
                self.tokens.push(Token::End);
            }
            '&' if self.starts_with("&>") => {
                self.at += if self.starts_with("&>>") { 3 } else { 2 };
                self.tokens.push(Token::Write);
            }
            '&' => self.single(Token::End),
            '<' | '>' if self.peek(1) == Some('(') => self.word(),
            '<' => self.input(),
            '>' => self.output(),
            _ => self.word(),
        }
    }

    fn single(&mut self, token: Token) {
        self.at += 1;
        self.tokens.push(token);
    }

    fn is_start_of_command(&self) -> bool {
        match self.tokens.last() {
            None | Some(Token::End | Token::Open) => true,
            Some(Token::Word(word)) => {
                !word.is_quoted() && word.literal().is_some_and(|text| KEYWORDS.contains(&text.as_str()))
            }
            _ => false,
        }
    }

    /// `((a > b))`: no redirection.
    fn arithmetic(&mut self) {
        while self.peek(0).is_some() && !self.starts_with("))") {
            self.at += 1;
        }
        self.at = (self.at + 2).min(self.letters.len());
    }

    fn output(&mut self) {
        if self.starts_with(">&") {
            self.at += 2;
            self.tokens.push(Token::WriteOrNumber);
            return;
        }
        self.at += if self.starts_with(">>") || self.starts_with(">|") { 2 } else { 1 };
        self.tokens.push(Token::Write);
    }

    fn input(&mut self) {
        if self.starts_with("<<<") {
            self.at += 3;
            self.blanks();
            let word = self.read_word();
            self.tokens.push(Token::Here(word.literal().unwrap_or_default()));
        } else if self.starts_with("<<") {
            let strip = self.peek(2) == Some('-');
            self.at += if strip { 3 } else { 2 };
            self.blanks();
            let end = self.read_word();
            self.waiting.push((self.tokens.len(), end.source(), strip));
            self.tokens.push(Token::Here(String::new()));
        } else if self.starts_with("<>") {
            self.at += 2;
            self.tokens.push(Token::Write);
        } else {
            self.at += if self.starts_with("<&") { 2 } else { 1 };
            self.tokens.push(Token::Read);
        }
    }

    fn blanks(&mut self) {
        while self.peek(0).is_some_and(|letter| letter == ' ' || letter == '\t') {
            self.at += 1;
        }
    }

    /// The texts of the here-documents that were announced on the line before.
    fn here_documents(&mut self) {
        for (place, end, strip) in std::mem::take(&mut self.waiting) {
            let mut body = String::new();
            while self.at < self.letters.len() {
                let rest = &self.letters[self.at..];
                let length = rest.iter().position(|letter| *letter == '\n').unwrap_or(rest.len());
                let line: String = rest[..length].iter().collect();
                let end_of_line = self.at + length;
                self.at = (end_of_line + 1).min(self.letters.len());
                let line = if strip { line.trim_start_matches('\t') } else { &line };
                if line == end {
                    break;
                }
                // Within `$(…)` the parenthesis may stand right behind it.
                let rest = line.strip_prefix(end.as_str()).filter(|rest| rest.starts_with(')'));
                if let Some(rest) = rest.filter(|_| self.depth > 0) {
                    self.at = end_of_line - rest.chars().count();
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            self.tokens[place] = Token::Here(body);
        }
    }

    fn word(&mut self) {
        let word = self.read_word();
        // `2>` names a stream, not a file: the number belongs to what follows.
        let is_stream = matches!(self.peek(0), Some('<' | '>')) && word.is_number();
        if !is_stream {
            self.tokens.push(Token::Word(word));
        }
    }

    fn read_word(&mut self) -> Word {
        let (word, end) = read_word(self.letters, self.at, self.depth);
        // At least one letter: whatever it is, it must not be looked at for ever.
        self.at = end.max(self.at + 1).min(self.letters.len());
        word
    }
}

/// Reads a word; gives where it ends.
fn read_word(letters: &[char], start: usize, depth: usize) -> (Word, usize) {
    let mut word = Word::default();
    let mut at = start;
    while let Some(&letter) = letters.get(at) {
        match letter {
            '\'' => {
                let end = find(letters, at + 1, '\'');
                word.quoted(letters[at + 1..end].iter());
                at = end + 1;
            }
            '"' => at = double_quoted(letters, at + 1, depth, &mut word),
            '\\' => {
                match letters.get(at + 1) {
                    Some('\n') | None => {}
                    Some(next) => word.quoted(std::iter::once(next)),
                }
                at += 2;
            }
            '$' | '`' => at = expansion(letters, at, depth, &mut word),
            '<' | '>' if letters.get(at + 1) == Some(&'(') => {
                let end = closing(letters, at + 2, depth);
                word.command(letters[at + 2..end].iter().collect());
                at = end + 1;
            }
            letter if letter.is_whitespace() || ";&|()<>".contains(letter) => break,
            '*' | '?' | '[' => {
                word.pieces.push(Piece::Glob(letter));
                at += 1;
            }
            letter => {
                word.plain(letter);
                at += 1;
            }
        }
    }
    (word, at.min(letters.len()))
}

fn double_quoted(letters: &[char], start: usize, depth: usize, word: &mut Word) -> usize {
    let mut at = start;
    word.quoted(std::iter::empty());
    while let Some(&letter) = letters.get(at) {
        match letter {
            '"' => return at + 1,
            '\\' => {
                match letters.get(at + 1) {
                    Some(next) if "$`\"\\".contains(*next) => word.quoted(std::iter::once(next)),
                    Some('\n') | None => {}
                    Some(next) => word.quoted(['\\', *next].iter()),
                }
                at += 2;
            }
            '$' | '`' => at = expansion(letters, at, depth, word),
            letter => {
                word.quoted(std::iter::once(&letter));
                at += 1;
            }
        }
    }
    letters.len()
}

/// `$x`, `${x}`, `$(…)`, `$((…))`, `` `…` ``, `$'…'` and `$"…"`; gives where it ends.
fn expansion(letters: &[char], at: usize, depth: usize, word: &mut Word) -> usize {
    if letters[at] == '`' {
        let end = find(letters, at + 1, '`');
        word.command(letters[at + 1..end].iter().collect());
        return end + 1;
    }
    match letters.get(at + 1) {
        Some('(') if letters.get(at + 2) == Some(&'(') => {
            word.pieces.push(Piece::Unknown);
            counted(letters, at + 2) + 1
        }
        Some('(') => {
            let end = closing(letters, at + 2, depth);
            word.command(letters[at + 2..end].iter().collect());
            end + 1
        }
        Some('{') => {
            let end = find(letters, at + 2, '}');
            let name: String = letters[at + 2..end].iter().collect();
            word.variable(&name);
            end + 1
        }
        Some('\'') => {
            let end = find(letters, at + 2, '\'');
            word.quoted(letters[at + 2..end].iter());
            // Escapes in it are not looked at.
            if letters[at + 2..end].contains(&'\\') {
                word.pieces.push(Piece::Unknown);
            }
            end + 1
        }
        Some('"') => double_quoted(letters, at + 2, depth, word),
        Some(letter) if letter.is_ascii_alphabetic() || *letter == '_' => {
            let is_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
            let length = letters[at + 1..].iter().take_while(|letter| is_name(letter)).count();
            word.variable(&letters[at + 1..=at + length].iter().collect::<String>());
            at + 1 + length
        }
        Some(letter) if letter.is_ascii_digit() || "@*#?$!-".contains(*letter) => {
            word.pieces.push(Piece::Unknown);
            at + 2
        }
        _ => {
            word.plain('$');
            at + 1
        }
    }
}

fn find(letters: &[char], start: usize, what: char) -> usize {
    let rest = letters.get(start..).unwrap_or_default();
    rest.iter().position(|letter| *letter == what).map_or(letters.len(), |found| start + found)
}

/// Where the parenthesis closes that was opened before `start`: what stands in quotes, in comments and in
/// here-documents closes nothing.
fn closing(letters: &[char], start: usize, depth: usize) -> usize {
    if depth < MAX_DEPTH { Lexer::new(letters, start, depth + 1).closing() } else { counted(letters, start) }
}

/// The same where everything counts.
fn counted(letters: &[char], start: usize) -> usize {
    let mut at = start;
    let mut open = 1;
    while let Some(&letter) = letters.get(at) {
        match letter {
            '(' => open += 1,
            ')' => {
                open -= 1;
                if open == 0 {
                    return at;
                }
            }
            '\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    letters.len()
}
