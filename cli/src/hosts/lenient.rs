//! JSON of a host, read as far as it can be: what a model wrote is in it, and a file's content must not decide whether
//! its path is read.
//!
//! It is made into JSON that any reader takes, in one pass over its characters: a mark of the byte order goes, bytes
//! that are no UTF-8 and halves of surrogate pairs become U+FFFD, control characters are escaped, numbers that are none
//! and what is nested too deeply become null. Of what was cut off, what was whole is kept. A content with too many
//! values becomes null as a whole: half of a list of files must not be taken for all of it.

use serde_json::{Number, Value};
use std::{borrow::Cow, iter::Peekable, str::Chars};

/// Levels that are kept: what is needed is in the first three, and a reader may not go on for ever.
const MAX_DEPTH: usize = 64;

/// Values that are kept: each takes some 60 bytes of memory, whatever its text takes, and no tool needs as many.
const MAX_VALUES: usize = 100_000;

/// Objects or lists around the values that are needed: of what is deeper, each may be null. On these levels there may
/// be twice as many values, so that a content that comes first hides no path.
const NEEDED_LEVELS: usize = 2;

/// Reads what it can; null where there is nothing.
pub(crate) fn read(bytes: &[u8]) -> Value {
    let text = decoded(bytes);
    let letters = text.trim_start_matches('\u{feff}').chars().peekable();
    let mut mend =
        Repair { letters, json: String::with_capacity(text.len()), open: Vec::new(), whole: 0, values: 0 };
    mend.all();
    serde_json::from_str(&mend.json).unwrap_or_default()
}

/// Decodes bytes as UTF-8, or as UTF-16 after its byte order mark.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text = char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER));
        Cow::Owned(text.collect())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// An open object or list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    List,
}

impl Bracket {
    const fn end(self) -> char {
        match self {
            Self::Object => '}',
            Self::List => ']',
        }
    }
}

struct Repair<'a> {
    letters: Peekable<Chars<'a>>,
    json: String,
    /// The open objects and lists, each with the bytes of the JSON before it.
    open: Vec<(Bracket, usize)>,
    /// Bytes of the JSON that are sound once what is open is closed.
    whole: usize,
    /// Values so far, without those that are null for being too many.
    values: usize,
}

impl Repair<'_> {
    fn all(&mut self) {
        // In an object only what comes after a colon is a value; a name without one is of no use.
        let mut is_value = true;
        while let Some(letter) = self.letters.next() {
            let begins_value = match letter {
                '"' => is_value,
                letter => !(letter.is_ascii_whitespace() || ":,]}".contains(letter)),
            };
            let is_whole = match letter {
                letter if begins_value && self.is_one_too_many() => {
                    let Some((_, start)) = self.open.get(NEEDED_LEVELS).copied() else {
                        // Too many values on the needed levels: they cannot be distinguished.
                        self.json.clear();
                        return;
                    };
                    let levels = self.open.len() - NEEDED_LEVELS;
                    self.open.truncate(NEEDED_LEVELS);
                    if letter == '"' {
                        self.string();
                    }
                    self.skip(levels + usize::from(matches!(letter, '{' | '[')));
                    self.json.truncate(start);
                    self.json.push_str("null");
                    true
                }
                '{' | '[' if self.open.len() >= MAX_DEPTH => {
                    self.skip(1);
                    self.json.push_str("null");
                    true
                }
                '{' | '[' => {
                    let open = if letter == '{' { Bracket::Object } else { Bracket::List };
                    self.open.push((open, self.json.len()));
                    self.json.push(letter);
                    is_value = open == Bracket::List;
                    true
                }
                '}' | ']' => {
                    if self.open.last().is_none_or(|(open, _)| open.end() != letter) {
                        // Nothing that comes now can be understood.
                        break;
                    }
                    self.open.pop();
                    self.json.push(letter);
                    true
                }
                ':' | ',' => {
                    self.json.push(letter);
                    let is_list = matches!(self.open.last(), Some((Bracket::List, _)));
                    is_value = letter == ':' || is_list;
                    false
                }
                '"' => {
                    if !self.string() {
                        break;
                    }
                    is_value
                }
                letter if letter.is_ascii_whitespace() => false,
                letter => self.scalar(letter),
            };
            if is_whole {
                self.whole = self.json.len();
                if self.open.is_empty() {
                    // The rest belongs to no object.
                    return;
                }
            }
        }
        self.json.truncate(self.whole);
        self.json.extend(self.open.iter().rev().map(|(open, _)| open.end()));
    }

    /// Counts the value that begins now. Says whether it is one too many.
    fn is_one_too_many(&mut self) -> bool {
        let is_needed = self.open.len() <= NEEDED_LEVELS;
        let is_one_too_many = self.values >= if is_needed { 2 * MAX_VALUES } else { MAX_VALUES };
        self.values += usize::from(!is_one_too_many);
        is_one_too_many
    }

    /// Skips the rest of this many open objects and lists.
    fn skip(&mut self, mut depth: usize) {
        while let Some(letter) = self.letters.next() {
            match letter {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                '"' => {
                    let before = self.json.len();
                    self.string();
                    self.json.truncate(before);
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The rest of a text. Says whether it has an end.
    fn string(&mut self) -> bool {
        self.json.push('"');
        while let Some(letter) = self.letters.next() {
            match letter {
                '"' => {
                    self.json.push('"');
                    return true;
                }
                '\\' => match self.letters.next() {
                    Some('u') => self.unit(),
                    Some(letter @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {
                        self.json.extend(['\\', letter]);
                    }
                    // No escape at all: both are meant to the letter.
                    Some(letter) => {
                        self.json.push_str("\\\\");
                        self.letter(letter);
                    }
                    None => return false,
                },
                letter => self.letter(letter),
            }
        }
        false
    }

    fn letter(&mut self, letter: char) {
        if u32::from(letter) < 0x20 {
            self.json.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            self.json.push(letter);
        }
    }

    /// A character by its number, which may be the first half of a pair.
    fn unit(&mut self) {
        let mut letters = self.letters.clone();
        let first = four_digits(&mut letters);
        if first.is_some() {
            self.letters = letters.clone();
        }
        let replaced = match first {
            Some(high @ 0xd800..=0xdbff) => {
                let is_next = letters.next() == Some('\\') && letters.next() == Some('u');
                match four_digits(&mut letters).filter(|low| is_next && (0xdc00..=0xdfff).contains(low)) {
                    Some(low) => {
                        self.letters = letters;
                        format!("\\u{high:04x}\\u{low:04x}")
                    }
                    None => "\\ufffd".to_owned(),
                }
            }
            Some(0xdc00..=0xdfff) | None => "\\ufffd".to_owned(),
            Some(unit) => format!("\\u{unit:04x}"),
        };
        self.json.push_str(&replaced);
    }

    /// A word or a number. Says whether it surely has an end.
    fn scalar(&mut self, first: char) -> bool {
        let mut word = String::from(first);
        while let Some(letter) = self.letters.next_if(|letter| !ends_scalar(*letter)) {
            word.push(letter);
        }
        let is_known = matches!(word.as_str(), "true" | "false" | "null")
            || serde_json::from_str::<Number>(&word).is_ok();
        self.json.push_str(if is_known { &word } else { "null" });
        self.letters.peek().is_some()
    }
}

/// Whether a word or a number ends before this letter.
fn ends_scalar(letter: char) -> bool {
    letter.is_ascii_whitespace() || ",:]}[{\"".contains(letter)
}

fn four_digits(letters: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + letters.next()?.to_digit(16)?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_in_order_is_read_as_it_is() {
        for text in [
            r#"{"a":[1,-2.5e3,true,false,null,"x\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"],"b":{"c":{}},"d":[]}"#,
            " [ ] ",
            r#""text""#,
            "{}",
        ] {
            assert_eq!(
                read(text.as_bytes()),
                serde_json::from_str::<Value>(text).unwrap_or_default(),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unreadable_content_hides_no_path() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for content in [
            r#""a\ud800b""#.as_bytes(),
            br#""a\udc00\ud800\u0041""#,
            br#""a\u12""#,
            br#""a\x""#,
            b"\"a\xff\xfeb\"",
            b"\"tab\tand\nlines\x00\"",
            b"NaN",
            b"-Infinity",
            b"1e999",
            deep.as_bytes(),
        ] {
            let before = [br#"{"path":"a.rs","content":"#, content, b"}"].concat();
            let after = [br#"{"content":"#, content, br#","path":"a.rs"}"#].concat();
            for text in [before, after] {
                assert_eq!(read(&text)["path"], "a.rs", "{}", String::from_utf8_lossy(content));
            }
        }
        assert_eq!(read(br#"["a\ud800b","\ud83d\ude00"]"#), json!(["a\u{fffd}b", "\u{1f600}"]));
        assert_eq!(read(br#"["a\x"]"#), json!(["a\\x"]));
    }

    #[test]
    fn marks_of_the_byte_order_are_no_part_of_it() {
        let text = r#"{"path":"ä.rs"}"#;
        let wide: Vec<u16> = text.encode_utf16().collect();
        let little = wide.iter().flat_map(|unit| unit.to_le_bytes());
        let big = wide.iter().flat_map(|unit| unit.to_be_bytes());
        for bytes in [
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [0xff, 0xfe].into_iter().chain(little).collect(),
            [0xfe, 0xff].into_iter().chain(big).collect(),
        ] {
            assert_eq!(read(&bytes)["path"], "ä.rs");
        }
    }

    #[test]
    fn of_what_was_cut_off_nothing_is_made_up() {
        let text = r#"{"tool":"Write","input":{"path":"src/db.rs","deep":[1,{"a":"b"}],"n":12}}"#;
        let whole = read(text.as_bytes());
        for end in 0..text.len() {
            let cut = read(&text.as_bytes()[..end]);
            for at in ["/tool", "/input/path", "/input/n", "/input/deep/1/a"] {
                let found = cut.pointer(at);
                assert!(found.is_none() || found == whole.pointer(at), "{end}: {cut}");
            }
        }
        assert_eq!(read(br#"{"a":1,"b":"#), json!({ "a": 1 }));
        assert_eq!(read(b""), Value::Null);
        assert_eq!(read(b"oops"), Value::Null);
        assert_eq!(read(br#"{"a" 1}"#), Value::Null);
    }

    #[test]
    fn a_content_of_too_many_values_is_null_as_a_whole_and_hides_no_path() {
        let many = 3 * MAX_VALUES;
        let keys = (0..many).map(|n| format!("\"k{n}\": 1")).collect::<Vec<_>>().join(",");
        for content in [
            format!("[{}]", vec!["0"; many].join(",")),
            format!("[{}]", vec!["\"]\""; many].join(",")),
            format!("[{}]", vec!["[\"a\",{}]"; many].join(" , ")),
            format!("{{{keys}}}"),
        ] {
            let text = format!(r#"{{"tool":"Write","input":{{"content":{content},"path":"a.rs"}},"n":1}}"#);
            let expected = json!({ "tool": "Write", "input": { "content": null, "path": "a.rs" }, "n": 1 });
            assert_eq!(read(text.as_bytes()), expected);
        }
        // Hosts may differ in which of several equal names counts.
        assert_eq!(read(format!("{{{keys}}}").as_bytes()), Value::Null);
    }

    #[test]
    fn of_a_command_in_too_many_words_no_part_is_taken_for_all_of_it() {
        let words = vec!["\"a\""; MAX_VALUES + 1].join(",");
        let event = read(format!(r#"{{"input":{{"command":["rm",{words}]}}}}"#).as_bytes());
        assert_eq!(event, json!({ "input": { "command": null } }));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }

        #[test]
        fn nothing_that_looks_like_json_makes_it_panic(text in r#"([\[\]{},:"\\a1\-]|\\u[dD][89cC]00|null|\s){0,80}"#) {
            read(text.as_bytes());
        }
    }
}
