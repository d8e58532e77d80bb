//! Options as programs take them, told apart from what they are about. A program's options are written as for getopt:
//! `t:` takes a value, `i::` only one that is joined to it; long ones end in `:` or `?` for the same.

use super::value::Value;

/// Which options a program has that take a value; others are flags.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub(super) short: &'static str,
    pub(super) long: &'static [&'static str],
}

/// The words of a command, told apart.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Each option by its name without dashes, with its value.
    pub(super) options: Vec<(String, Option<Value>)>,
    pub(super) operands: Vec<Value>,
}

impl Parsed {
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// The values of an option, however often and by whichever of its names it is given.
    pub(super) fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Value> {
        let named = self.options.iter().filter(move |(name, _)| names.contains(&name.as_str()));
        named.filter_map(|(_, value)| value.as_ref())
    }
}

impl Spec {
    /// All options, wherever they stand.
    pub(super) fn parse(self, words: &[Value]) -> Parsed {
        self.told_apart(words, false)
    }

    /// Those in front of the first operand: what follows is of another program.
    pub(super) fn parse_front(self, words: &[Value]) -> Parsed {
        self.told_apart(words, true)
    }

    fn told_apart(self, words: &[Value], is_front: bool) -> Parsed {
        let mut parsed = Parsed::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let head = word.head();
            if head == "--" && word.known().is_some() {
                break;
            }
            if let Some(long) = head.strip_prefix("--") {
                let (name, has_value) = long.split_once('=').map_or((long, false), |(name, _)| (name, true));
                let (name, takes) = self.long(name);
                let value = match (has_value, takes) {
                    (true, _) => {
                        let start = head.find('=').map_or(head.len(), |at| at + 1);
                        word.strip_prefix(&head[..start])
                    }
                    (false, true) => words.next().cloned(),
                    (false, false) => None,
                };
                parsed.options.push((name, value));
            } else if head.len() > 1 && head.starts_with('-') {
                self.cluster(word, head, &mut words, &mut parsed);
            } else {
                parsed.operands.push(word.clone());
                if is_front {
                    break;
                }
            }
        }
        parsed.operands.extend(words.cloned());
        parsed
    }

    /// `-xvf FILE`, `-tsrc`: letters, of which one that takes a value is the last.
    fn cluster<'a>(
        self,
        word: &Value,
        head: &str,
        words: &mut impl Iterator<Item = &'a Value>,
        parsed: &mut Parsed,
    ) {
        // One dash and a whole word, as some programs have it.
        if let Some(name) =
            self.long.iter().map(|name| name.trim_end_matches([':', '?'])).find(|name| *name == &head[1..])
            && self.short.is_empty()
        {
            let (name, takes) = self.long(name);
            parsed.options.push((name, if takes { words.next().cloned() } else { None }));
            return;
        }
        for (at, letter) in head.char_indices().skip(1) {
            let rest = &head[..at + letter.len_utf8()];
            let joined = || word.strip_prefix(rest).filter(|value| !value.parts.is_empty());
            match self.short(letter) {
                "::" => {
                    parsed.options.push((letter.to_string(), joined()));
                    return;
                }
                ":" => {
                    let value = joined().or_else(|| words.next().cloned());
                    parsed.options.push((letter.to_string(), value));
                    return;
                }
                _ => parsed.options.push((letter.to_string(), None)),
            }
        }
    }

    fn short(self, letter: char) -> &'static str {
        let Some(at) = self.short.find(letter) else { return "" };
        let after = &self.short[at + letter.len_utf8()..];
        ["::", ":"].into_iter().find(|colons| after.starts_with(colons)).unwrap_or("")
    }

    /// The whole name of a long option, which may be cut short, and whether it takes the next word.
    fn long(self, name: &str) -> (String, bool) {
        let whole = |known: &&&str| known.trim_end_matches([':', '?']) == name;
        let begins = |known: &&&str| known.starts_with(name) && name.len() > 1;
        let known = self.long.iter().find(whole).or_else(|| {
            let mut found = self.long.iter().filter(begins);
            found.next().filter(|_| found.next().is_none())
        });
        match known {
            Some(known) => (known.trim_end_matches([':', '?']).to_owned(), known.ends_with(':')),
            None => (name.to_owned(), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_apart_from_what_they_are_about() {
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
        let front: Vec<Value> = "-f sed -i x".split(' ').map(Value::text).collect();
        assert_eq!(spec.parse_front(&front).operands.len(), 3);
    }
}
