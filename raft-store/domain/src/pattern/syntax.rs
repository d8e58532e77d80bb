//! Parses the wildcards of a normalised text. A bracket or brace that is not closed stands for itself; a closed one may
//! stand for itself as well.

use super::{Complexity, PatternError, charset::CharSet, limits::MAX_BRACE_DEPTH};

/// One step of a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// This character, which may be `/`.
    Char(char),
    /// `?`: one character but `/`.
    One,
    /// `*`: any run of characters but `/`.
    Star,
    /// `**` or longer: any run of characters.
    Any,
    /// `[…]`: one character of a set.
    Set(CharSet),
    /// One of several sequences.
    Choice(Vec<Vec<Piece>>),
}

/// The wildcards of a text: their positions and their meaning.
#[derive(Debug)]
pub(super) struct Syntax {
    /// The bytes before the first wildcard that every matching path begins with.
    pub(super) fixed: usize,
    /// The bytes after the last wildcard.
    pub(super) tail: usize,
    /// Everything after `fixed`.
    pub(super) pieces: Vec<Piece>,
}

/// The wildcards of `text`; `None` if it has none.
///
/// # Errors
/// `TooComplex` if braces nest deeper than [`MAX_BRACE_DEPTH`].
pub(super) fn read(text: &str) -> Result<Option<Syntax>, PatternError> {
    let reader = Reader { text, closers: closers(text) };
    let mut wild = (0..text.len()).filter(|&at| reader.is_wildcard(at));
    let Some(first) = wild.next() else {
        return Ok(None);
    };
    let fixed = settled(&text[..first]);
    let pieces = reader.sequence(fixed, text.len(), 0)?;
    let tail = pieces.iter().rev().map_while(|piece| match piece {
        Piece::Char(c) => Some(c.len_utf8()),
        _ => None,
    });
    Ok(Some(Syntax { fixed, tail: tail.sum(), pieces }))
}

/// The bytes before a wildcard that certainly stay. A `.` or `..` may still become a whole component, which a path does
/// not contain.
fn settled(before: &str) -> usize {
    let component = before.rfind('/').map_or(0, |slash| slash + 1);
    if matches!(&before[component..], "." | "..") { component } else { before.len() }
}

struct Reader<'t> {
    text: &'t str,
    /// The offset of the closer, at the offset of each closed `[` and `{`, in bytes; 0 elsewhere.
    closers: Vec<usize>,
}

impl Reader<'_> {
    fn is_wildcard(&self, at: usize) -> bool {
        matches!(self.text.as_bytes()[at], b'*' | b'?') || self.closers[at] > 0
    }

    fn sequence(&self, from: usize, to: usize, depth: usize) -> Result<Vec<Piece>, PatternError> {
        let mut pieces = Vec::new();
        let mut at = from;
        while at < to {
            let c = self.text[at..].chars().next().expect("`at` is a character boundary");
            let close = self.closers[at];
            let (piece, next) = match c {
                '*' => {
                    let run = self.text[at..to].bytes().take_while(|&b| b == b'*').count();
                    (if run == 1 { Piece::Star } else { Piece::Any }, at + run)
                }
                '?' => (Piece::One, at + 1),
                '[' if close > 0 => (self.class(at, close), close + 1),
                '{' if close > 0 => (self.braces(at, close, depth)?, close + 1),
                literal => (Piece::Char(literal), at + literal.len_utf8()),
            };
            pieces.push(piece);
            at = next;
        }
        Ok(pieces)
    }

    fn braces(&self, open: usize, close: usize, depth: usize) -> Result<Piece, PatternError> {
        if depth == MAX_BRACE_DEPTH {
            return Err(PatternError::TooComplex(Complexity::Nesting));
        }
        let mut choices = vec![self.literally(open, close)];
        let (mut from, mut at) = (open + 1, open + 1);
        while at <= close {
            if at == close || self.text.as_bytes()[at] == b',' {
                choices.push(self.sequence(from, at, depth + 1)?);
                from = at + 1;
            }
            // A comma within an inner expression does not separate these alternatives.
            at = self.closers[at].max(at) + 1;
        }
        Ok(Piece::Choice(choices))
    }

    fn class(&self, open: usize, close: usize) -> Piece {
        let inside = &self.text[open + 1..close];
        let members = inside.strip_prefix(['!', '^']);
        let set = if inside.contains("[:") {
            CharSet::except(&[])
        } else {
            let ranges = ranges(members.unwrap_or(inside));
            if members.is_some() { CharSet::except(&ranges) } else { CharSet::of(&ranges) }
        };
        Piece::Choice(vec![self.literally(open, close), vec![Piece::Set(set)]])
    }

    fn literally(&self, open: usize, close: usize) -> Vec<Piece> {
        self.text[open..=close].chars().map(Piece::Char).collect()
    }
}

/// The members of a class: single characters and ranges. A `-` at either end stands for itself.
fn ranges(members: &str) -> Vec<(char, char)> {
    let chars: Vec<char> = members.chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if at + 2 < chars.len() && chars[at + 1] == '-' {
            ranges.push((chars[at], chars[at + 2]));
            at += 3;
        } else {
            ranges.push((chars[at], chars[at]));
            at += 1;
        }
    }
    ranges
}

/// Finds the closer of each `[` and `{`. The inside of a bracket is opaque, as in other globs.
fn closers(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut closers = vec![0; bytes.len()];
    let mut open_braces = Vec::new();
    let mut at = 0;
    // No `[` before this byte is closed. So a text of nothing but `[` is not read to its end for each of them.
    let mut closes_nothing = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'[' if at < closes_nothing => {}
            b'[' => match class_end(bytes, at) {
                Some(close) => {
                    closers[at] = close;
                    at = close;
                }
                None => {
                    let component = bytes[at..].split(|&b| b == b'/').next().unwrap_or_default();
                    if !component.contains(&b']') {
                        closes_nothing = at + component.len();
                    }
                }
            },
            b'{' => open_braces.push(at),
            b'}' => {
                if let Some(open) = open_braces.pop() {
                    closers[open] = at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    closers
}

/// The `]` of the class that opens at `open`. It is never beyond a `/`, which no class may contain (POSIX 2.13.3). A
/// `]` that comes first is a member.
fn class_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    if matches!(bytes.get(at), Some(b'!' | b'^')) {
        at += 1;
    }
    if bytes.get(at) == Some(&b']') {
        at += 1;
    }
    let end = at + bytes[at..].iter().position(|&b| b == b'/').unwrap_or(bytes.len() - at);
    let last_name_end = bytes[at..end].windows(2).rposition(|pair| pair == b":]").map(|i| at + i);
    while at < end {
        if bytes[at] == b']' {
            return Some(at);
        }
        // The `]` of `[:alpha:]` does not close the class around it.
        let is_name = bytes[at..end].starts_with(b"[:") && Some(at + 2) <= last_name_end;
        let name = || bytes[at + 2..end].windows(2).position(|pair| pair == b":]");
        at += if is_name { name().map_or(1, |length| length + 4) } else { 1 };
    }
    None
}
