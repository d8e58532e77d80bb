//! Splits the words of a program into options and operands. A program's options are written as for getopt: `t:` takes a
//! value, `i::` only one that is joined to it, `0:::` only digits that are joined to it. Long options end in `:` or `?`
//! for the same. If the letters begin with `-`, each option is one word: `-style=file` and `-nostdlib` are one option
//! each.

use super::value::Value;

/// The options of a program. An unknown option counts as a flag, but the word after it may be its value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub(super) short: &'static str,
    pub(super) long: &'static [&'static str],
}

/// The words of a command as options and operands.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Each option by its name without dashes, with its value.
    pub(super) options: Vec<(String, Option<Value>)>,
    pub(super) operands: Vec<Value>,
    /// The operands that follow an unknown option, by their index.
    doubtful: Vec<usize>,
}

impl Parsed {
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// Whether an operand may be the value of an option.
    pub(super) fn is_doubtful(&self, operand: usize) -> bool {
        self.doubtful.contains(&operand)
    }

    /// The values of an option, however often and by whichever of its names it is given.
    pub(super) fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Value> {
        let named = self.options.iter().filter(move |(name, _)| names.contains(&name.as_str()));
        named.filter_map(|(_, value)| value.as_ref())
    }
}

impl Spec {
    /// Parses all options, wherever they stand.
    pub(super) fn parse(self, words: &[Value]) -> Parsed {
        self.parse_words(words, false)
    }

    /// Parses the options in front of the first operand. The following words belong to another program.
    pub(super) fn parse_front(self, words: &[Value]) -> Parsed {
        self.parse_words(words, true)
    }

    fn parse_words(self, words: &[Value], is_front: bool) -> Parsed {
        let mut parsed = Parsed::default();
        let mut words = words.iter();
        let mut is_known = true;
        while let Some(word) = words.next() {
            let head = word.head();
            if head == "--" && word.known().is_some() {
                break;
            }
            if let Some(long) = head.strip_prefix("--") {
                is_known = self.whole(word, long, &mut words, &mut parsed);
            } else if head.len() > 1 && head.starts_with('-') {
                is_known = self.cluster(word, head, &mut words, &mut parsed);
            } else {
                if !std::mem::replace(&mut is_known, true) {
                    parsed.doubtful.push(parsed.operands.len());
                }
                parsed.operands.push(word.clone());
                if is_front {
                    break;
                }
            }
        }
        parsed.operands.extend(words.cloned());
        parsed
    }

    /// Parses `--name`, `--name=value`, `--name value`. Returns whether the meaning of the next word is known.
    fn whole<'a>(
        self,
        word: &Value,
        text: &str,
        words: &mut impl Iterator<Item = &'a Value>,
        parsed: &mut Parsed,
    ) -> bool {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let known = self.long(name);
        let name = known.map_or(name, |(name, _)| name).to_owned();
        if text.contains('=') {
            let start = word.head().find('=').map_or(word.head().len(), |at| at + 1);
            parsed.options.push((name, word.strip_prefix(&word.head()[..start])));
            return true;
        }
        let takes = known.is_some_and(|(_, takes)| takes);
        parsed.options.push((name, if takes { words.next().cloned() } else { None }));
        known.is_some()
    }

    /// Parses `-xvf FILE`, `-tsrc`: letters, of which one that takes a value is the last. Returns whether the meaning
    /// of the next word is known.
    fn cluster<'a>(
        self,
        word: &Value,
        head: &str,
        words: &mut impl Iterator<Item = &'a Value>,
        parsed: &mut Parsed,
    ) -> bool {
        let is_single = self.short.starts_with('-');
        let name = head[1..].split_once('=').map_or(&head[1..], |(name, _)| name);
        // Some programs have options of one dash and a whole word.
        let is_whole = self.long.iter().any(|known| known.trim_end_matches([':', '?']) == name);
        if is_whole && (self.short.is_empty() || is_single) {
            return self.whole(word, &head[1..], words, parsed);
        }
        let mut is_known = true;
        let mut digits = 0;
        for (at, letter) in head.char_indices().skip(1) {
            if at < digits {
                continue;
            }
            let rest = &head[..at + letter.len_utf8()];
            let joined = || word.strip_prefix(rest).filter(|value| !value.parts.is_empty());
            match self.short(letter) {
                Some("::") => {
                    parsed.options.push((letter.to_string(), joined()));
                    return true;
                }
                Some(":::") => {
                    // The following letters are further options.
                    digits = rest.len() + digits_of(&head[rest.len()..]);
                    parsed.options.push((letter.to_string(), None));
                }
                Some(":") => {
                    let value = joined().or_else(|| words.next().cloned());
                    parsed.options.push((letter.to_string(), value));
                    return true;
                }
                known if is_single => {
                    is_known = known.is_some() && head.len() == 2;
                    parsed.options.push((head[1..].to_owned(), None));
                    return is_known;
                }
                known => {
                    is_known = known.is_some();
                    parsed.options.push((letter.to_string(), None));
                }
            }
        }
        is_known
    }

    /// The kind of value that a letter takes; `None` if the option is not known.
    fn short(self, letter: char) -> Option<&'static str> {
        let at = self.short.find(letter).filter(|_| letter != '-' && letter != ':')?;
        let after = &self.short[at + letter.len_utf8()..];
        Some([":::", "::", ":"].into_iter().find(|colons| after.starts_with(colons)).unwrap_or(""))
    }

    /// The whole name of a long option, which may be cut short, and whether it takes the next word.
    fn long(self, name: &str) -> Option<(&'static str, bool)> {
        let whole = |known: &&&str| known.trim_end_matches([':', '?']) == name;
        let begins = |known: &&&str| known.starts_with(name) && name.len() > 1;
        let known = self.long.iter().find(whole).or_else(|| {
            let mut found = self.long.iter().filter(begins);
            found.next().filter(|_| found.next().is_none())
        });
        known.map(|known| (known.trim_end_matches([':', '?']), known.ends_with(':')))
    }
}

/// The length of the number that a text begins with: octal, or hexadecimal after an `x`.
fn digits_of(text: &str) -> usize {
    let hex = text
        .strip_prefix(['x', 'X'])
        .map(|hex| hex.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()));
    let rest = hex.unwrap_or_else(|| text.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    text.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_distinguished_from_operands() {
        let spec = Spec { short: "t:S:i::f", long: &["target-directory:", "in-place?", "force"] };
        for (words, options, operands) in [
            ("-tsrc a", "t=src", "a"),
            ("-t src a", "t=src", "a"),
            ("-ft src a b", "f t=src", "a b"),
            ("--target-directory=src a", "target-directory=src", "a"),
            ("--targ src a", "target-directory=src", "a"),
            ("-i a", "i", "a"),
            ("-i.bak a", "i=.bak", "a"),
            ("--in-place a", "in-place", "a"),
            ("a -- -f", "", "a -f"),
            ("- a", "", "- a"),
        ] {
            let words: Vec<Value> = words.split(' ').map(Value::text).collect();
            let parsed = spec.parse(&words);
            let shown = |(name, value): &(String, Option<Value>)| match value {
                Some(value) => format!("{name}={}", value.written()),
                None => name.clone(),
            };
            assert_eq!(parsed.options.iter().map(shown).collect::<Vec<_>>().join(" "), options, "{words:?}");
            assert_eq!(
                parsed.operands.iter().map(Value::written).collect::<Vec<_>>().join(" "),
                operands,
                "{words:?}"
            );
        }
        let single = Spec { short: "-o:I:c", long: &["style:", "i"] };
        for (words, options) in [
            ("-style=file a", "style=file"),
            ("-nostdlib a", "nostdlib"),
            ("-oout a", "o=out"),
            ("-i -c a", "i c"),
            ("-style file a", "style=file"),
        ] {
            let words: Vec<Value> = words.split(' ').map(Value::text).collect();
            let parsed = single.parse(&words);
            let shown = |(name, value): &(String, Option<Value>)| match value {
                Some(value) => format!("{name}={}", value.written()),
                None => name.clone(),
            };
            assert_eq!(parsed.options.iter().map(shown).collect::<Vec<_>>().join(" "), options, "{words:?}");
            assert_eq!(parsed.operands, [Value::text("a")], "{words:?}");
        }
        let words: Vec<Value> = "-f a --new 4 -x b".split(' ').map(Value::text).collect();
        let parsed = spec.parse(&words);
        assert_eq!([0, 1, 2].map(|at| parsed.is_doubtful(at)), [false, true, true]);
        let front: Vec<Value> = "-f sed -i x".split(' ').map(Value::text).collect();
        assert_eq!(spec.parse_front(&front).operands.len(), 3);
    }
}
