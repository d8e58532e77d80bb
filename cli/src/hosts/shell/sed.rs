//! The writes of a program of sed: `w FILE`, `s/a/b/w FILE`, and the commands of `e`. It parses the program as sed
//! does, so that a `w` within a pattern or a text does not count, and it stops where it does not understand the
//! program.

use super::{
    options::Spec,
    state::Shell,
    value::{Part, Value},
};
use crate::confined::read_bounded;

const SED: Spec =
    Spec { short: "i::e:f:l:Enrsuz", long: &["in-place?", "expression:", "file:", "line-length:"] };

/// Bytes of a file with a program that are read.
const MAX_PROGRAM_BYTES: u64 = 64 << 10;

/// The character that stands for an unknown part of the program.
const UNKNOWN: char = '\u{fffc}';

/// The effects of a program beside its output.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    files: Vec<String>,
    commands: Vec<String>,
}

/// Notes the files that sed writes.
pub(super) fn run(shell: &mut Shell, words: &[Value]) {
    let parsed = SED.parse(words);
    let given: Vec<&Value> = parsed.values(&["e", "expression"]).collect();
    let is_first = given.is_empty() && !parsed.has(&["f", "file"]);
    let given = given.into_iter().chain(parsed.operands.first().filter(|_| is_first));
    let program = given.map(text).collect::<Vec<_>>().join("\n");
    let found = read(&program);
    found.files.iter().for_each(|file| shell.write(&value(file)));
    found.commands.iter().for_each(|command| shell.inner(&value(command).as_script(), None));
    for file in parsed.values(&["f", "file"]) {
        let path = file.known().and_then(|path| shell.resolve(path));
        let program = path.and_then(|path| read_bounded(&path, MAX_PROGRAM_BYTES).ok()).unwrap_or_default();
        // Nobody knows whether sed reaches that line.
        read(&program).files.iter().for_each(|file| shell.suspect(&Value::text(file)));
    }
}

fn text(program: &Value) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) | Part::Glob(text) => text.clone(),
        Part::Any => UNKNOWN.to_string(),
    };
    program.parts.iter().map(text).collect()
}

fn value(text: &str) -> Value {
    let mut value = Value::default();
    for (at, piece) in text.split(UNKNOWN).enumerate() {
        if at > 0 {
            value.push_any();
        }
        value.push_text(piece);
    }
    value
}

fn read(program: &str) -> Found {
    let mut found = Found::default();
    let mut reader = Reader { rest: program };
    while !reader.rest.is_empty() {
        if reader.command(&mut found).is_none() {
            break;
        }
    }
    found
}

/// A parser of a program. Each step returns none if it does not understand the program.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(is_skipped);
    }

    /// The rest of the line, without the space in front.
    fn line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        line.trim()
    }

    /// The text up to an unescaped delimiter. In brackets the delimiter stands for itself.
    fn until(&mut self, end: char, is_pattern: bool) -> Option<()> {
        let mut is_in_brackets = false;
        loop {
            match self.next()? {
                '\\' if !is_in_brackets => drop(self.next()?),
                '[' if is_pattern && !is_in_brackets => {
                    is_in_brackets = true;
                    self.rest = self.rest.strip_prefix('^').unwrap_or(self.rest);
                    self.rest = self.rest.strip_prefix(']').unwrap_or(self.rest);
                }
                ']' => is_in_brackets = false,
                letter if letter == end && !is_in_brackets => return Some(()),
                _ => {}
            }
        }
    }

    fn address(&mut self) -> Option<()> {
        match self.rest.chars().next() {
            Some('/') => {
                self.next();
                self.until('/', true)?;
                self.skip(|letter| matches!(letter, 'I' | 'M'));
            }
            Some('\\') => {
                self.next();
                let end = self.next()?;
                self.until(end, true)?;
                self.skip(|letter| matches!(letter, 'I' | 'M'));
            }
            _ => self.skip(|letter| letter.is_ascii_digit() || matches!(letter, '$' | '~' | '+' | UNKNOWN)),
        }
        Some(())
    }

    fn command(&mut self, found: &mut Found) -> Option<()> {
        self.skip(|letter| letter.is_whitespace() || matches!(letter, ';' | '{' | '}'));
        if self.rest.is_empty() {
            return Some(());
        }
        self.address()?;
        self.skip(|letter| letter == ' ');
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest.trim_start_matches(' ');
            self.address()?;
        }
        self.skip(|letter| matches!(letter, ' ' | '!'));
        match self.next()? {
            '{' | '}' | '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z' | 'F' => {
            }
            'l' | 'L' | 'q' | 'Q' => self.skip(|letter| letter == ' ' || letter.is_ascii_digit()),
            '#' | 'r' | 'R' => drop(self.line()),
            'b' | 't' | 'T' | ':' | 'v' => self.skip(|letter| !matches!(letter, ';' | '\n' | '}')),
            'a' | 'i' | 'c' => {
                // A backslash at the end of a line continues it.
                while self.line().ends_with('\\') {}
            }
            'w' | 'W' => found.files.push(self.line().to_owned()),
            'e' => found.commands.push(self.line().to_owned()),
            'y' => {
                let end = self.next()?;
                self.until(end, false)?;
                self.until(end, false)?;
            }
            's' => {
                let end = self.next()?;
                self.until(end, true)?;
                self.until(end, false)?;
                self.skip(|letter| letter.is_ascii_digit() || "gpiImMe".contains(letter));
                if let Some(rest) = self.rest.strip_prefix('w') {
                    self.rest = rest;
                    found.files.push(self.line().to_owned());
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_w_is_a_file_only_where_sed_takes_it_for_one() {
        for (program, files) in [
            ("w F", &["F"][..]),
            ("s/a/b/w F", &["F"]),
            ("s/a/b/gw F\np", &["F"]),
            ("/x/,$!{ s|a|b|2pw F\n}", &["F"]),
            ("1~2w F", &["F"]),
            ("\\,a w b,d;w F", &["F"]),
            ("s/new src/x/", &[]),
            ("s/view lib/q/p", &[]),
            ("s,a,w b,;s/[/w c]/d/", &[]),
            ("s/a\\/w b/c/", &[]),
            ("/show w x/d", &[]),
            ("a how to\\\nw F", &[]),
            ("y/w a/b c/;p", &[]),
            ("10,20p", &[]),
            ("# w F", &[]),
            (":top;bw F;s/x/y/", &[]),
        ] {
            assert_eq!(read(program).files, files, "{program}");
        }
        assert_eq!(read("1e touch F").commands, ["touch F"]);
    }
}
