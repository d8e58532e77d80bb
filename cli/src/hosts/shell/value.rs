//! The value of a word: a text with parts that are unknown before the command runs. It gives the pattern of all files
//! that such a text may name.

use glob::Pattern;

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Characters that are known.
    Text(String),
    /// Any characters, including slashes: a variable that was never set here, or the output of a program.
    Any,
    /// A wildcard of a glob as it is written: `*`, `?` or `[…]`.
    Glob(String),
}

/// A text as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value {
    pub(super) parts: Vec<Part>,
    /// Whether it is a glob that found no file: it stays a text, and no file is written.
    pub(super) is_unfound: bool,
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        let mut value = Self::default();
        value.push_text(&text.into());
        value
    }

    pub(super) const fn of(parts: Vec<Part>) -> Self {
        Self { parts, is_unfound: false }
    }

    pub(super) fn any() -> Self {
        Self::of(vec![Part::Any])
    }

    /// Words with a space between them.
    pub(super) fn joined(words: &[Self]) -> Self {
        let mut whole = Self::default();
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                whole.push_text(" ");
            }
            whole.extend(word);
        }
        whole
    }

    /// The same with another value wherever a text of it says `place`.
    pub(super) fn with_each(&self, place: &str, other: &Self) -> Self {
        let mut whole = Self::default();
        for part in &self.parts {
            match part {
                Part::Text(text) if text.contains(place) => {
                    for (at, piece) in text.split(place).enumerate() {
                        if at > 0 {
                            whole.extend(other);
                        }
                        whole.push_text(piece);
                    }
                }
                part => whole.extend(&Self::of(vec![part.clone()])),
            }
        }
        whole
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    pub(super) fn push_any(&mut self) {
        if self.parts.last() != Some(&Part::Any) {
            self.parts.push(Part::Any);
        }
    }

    pub(super) fn push_glob(&mut self, glob: &str) {
        self.parts.push(Part::Glob(glob.to_owned()));
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Text(text) => self.push_text(text),
                Part::Any => self.push_any(),
                Part::Glob(glob) => self.push_glob(glob),
            }
        }
    }

    /// The approximate number of its characters, for budgets.
    pub(super) fn len(&self) -> usize {
        let letters = |part: &Part| match part {
            Part::Text(text) | Part::Glob(text) => text.len(),
            Part::Any => 1,
        };
        self.parts.iter().map(letters).sum::<usize>() + 1
    }

    /// The whole text, if all of it is known.
    pub(super) fn known(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The known text at its beginning.
    pub(super) fn head(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The value without this prefix; `None` if it has another one.
    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        let rest = self.head().strip_prefix(prefix)?;
        let mut value = Self::text(rest);
        self.parts.iter().skip(usize::from(!self.head().is_empty())).for_each(|part| {
            value.extend(&Self::of(vec![part.clone()]));
        });
        Some(value)
    }

    /// Whether nothing at all is known of it.
    pub(super) fn is_unknown(&self) -> bool {
        !self.parts.is_empty()
            && !self.parts.iter().any(|part| matches!(part, Part::Text(_)))
            && self.parts.contains(&Part::Any)
    }

    pub(super) fn has_any(&self) -> bool {
        self.parts.contains(&Part::Any)
    }

    pub(super) fn has_glob(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Glob(_)))
    }

    /// Its last component: the name of a file in any folder.
    pub(super) fn base(&self) -> Self {
        let mut parts = Vec::new();
        for part in self.parts.iter().rev() {
            match part {
                Part::Text(text) => match text.trim_end_matches('/').rsplit_once('/') {
                    Some((_, name)) if parts.is_empty() => {
                        parts.push(Part::Text(name.to_owned()));
                        break;
                    }
                    _ => match text.rsplit_once('/') {
                        Some((_, name)) if !parts.is_empty() => {
                            parts.push(Part::Text(name.to_owned()));
                            break;
                        }
                        _ => parts.push(Part::Text(text.trim_end_matches('/').to_owned())),
                    },
                },
                Part::Any => {
                    parts.push(Part::Any);
                    break;
                }
                Part::Glob(_) => parts.push(part.clone()),
            }
        }
        parts.reverse();
        let mut base = Self::default();
        parts.into_iter().for_each(|part| base.extend(&Self::of(vec![part])));
        base
    }

    /// A file of that name in this folder.
    pub(super) fn join(&self, name: &Self) -> Self {
        let mut path = self.clone();
        if !matches!(path.parts.last(), Some(Part::Text(text)) if text.ends_with('/'))
            && !path.parts.is_empty()
        {
            path.push_text("/");
        }
        path.extend(name);
        path
    }

    /// The words into which a shell splits it. An unknown part is not split.
    pub(super) fn split(&self) -> Vec<Self> {
        let mut words = Vec::new();
        let mut word = Self::default();
        for part in &self.parts {
            let Part::Text(text) = part else {
                word.extend(&Self::of(vec![part.clone()]));
                continue;
            };
            let mut rest = text.as_str();
            while let Some(at) = rest.find(char::is_whitespace) {
                word.push_text(&rest[..at]);
                if !word.parts.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                rest = rest[at..].trim_start();
            }
            word.push_text(rest);
        }
        if !word.parts.is_empty() {
            words.push(word);
        }
        words
    }

    /// The text of a script. An unknown part becomes a variable that is never set.
    pub(super) fn as_script(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) | Part::Glob(text) => text.clone(),
            Part::Any => "${_nexus_unknown_}".to_owned(),
        };
        self.parts.iter().map(text).collect()
    }

    /// The pattern of the crate `glob` that finds the files.
    pub(super) fn as_glob(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => Pattern::escape(text),
            Part::Glob(glob) => glob.clone(),
            Part::Any => "*".to_owned(),
        };
        self.parts.iter().map(text).collect()
    }

    /// The text as it is written, with its globs.
    pub(super) fn written(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) | Part::Glob(text) => text.as_str(),
                Part::Any => "*",
            })
            .collect()
    }

    /// The known beginning of its path, up to a slash, and a pattern of the cluster for the rest. An unknown part at
    /// the beginning of a component stands for any folders and a name, and elsewhere for a part of a name.
    pub(super) fn as_pattern(&self) -> (String, String) {
        let mut fixed = String::new();
        let mut rest = self.parts.as_slice();
        let mut pattern = String::new();
        if let [Part::Text(text), after @ ..] = rest {
            let at = if after.is_empty() { text.len() } else { text.rfind('/').map_or(0, |at| at + 1) };
            fixed.push_str(&text[..at]);
            pattern.push_str(&escaped(&text[at..]));
            rest = after;
        }
        for (at, part) in rest.iter().enumerate() {
            match part {
                Part::Text(text) => pattern.push_str(&escaped(text)),
                Part::Glob(glob) => pattern.push_str(if glob.starts_with('[') { "?" } else { glob }),
                Part::Any => {
                    let begins = pattern.is_empty() || pattern.ends_with('/');
                    let ends = match rest.get(at + 1) {
                        None => true,
                        Some(Part::Text(text)) => text.starts_with('/'),
                        Some(_) => false,
                    };
                    pattern.push_str(match (begins, ends) {
                        (true, true) => "**",
                        (true, false) => "**/*",
                        (false, _) => "*",
                    });
                }
            }
        }
        (fixed, pattern)
    }
}

/// A pattern that matches this text: `?` stands for each character that has a meaning in patterns.
pub(super) fn escaped(text: &str) -> String {
    text.chars().map(|letter| if "*?[]{}".contains(letter) { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(parts: &[&str]) -> Value {
        let mut value = Value::default();
        for part in parts {
            match *part {
                "$" => value.push_any(),
                "*" | "?" => value.push_glob(part),
                text => value.push_text(text),
            }
        }
        value
    }

    #[test]
    fn what_is_not_known_is_all_that_it_could_be() {
        for (parts, fixed, pattern) in [
            (&["$", "/db.rs"][..], "", "**/db.rs"),
            (&["src/", "$"], "src/", "**"),
            (&["src/a", "$", ".rs"], "src/", "a*.rs"),
            (&["$", ".rs"], "", "**/*.rs"),
            (&["src/", "$", "/x/", "*", ".rs"], "src/", "**/x/*.rs"),
            (&["src/db.rs"], "src/db.rs", ""),
            (&["app/", "$", "[id].tsx"], "app/", "**/*?id?.tsx"),
        ] {
            assert_eq!(value(parts).as_pattern(), (fixed.to_owned(), pattern.to_owned()), "{parts:?}");
        }
    }

    #[test]
    fn a_value_has_a_last_component_and_words() {
        for (parts, base) in [
            (&["src/db.rs"][..], &["db.rs"][..]),
            (&["src/lib/"], &["lib"]),
            (&["$", "/db.rs"], &["db.rs"]),
            (&["src/a", "$"], &["$"]),
            (&["src/", "*", ".rs"], &["*", ".rs"]),
        ] {
            assert_eq!(value(parts).base(), value(base), "{parts:?}");
        }
        assert_eq!(
            value(&["rm  a", "$", "b c "]).split(),
            [value(&["rm"]), value(&["a", "$", "b"]), value(&["c"])]
        );
    }
}
