//! Reads a line of a story: `actor[/agent] verb words… option=value…`.

use nexus_domain::{
    Millis,
    entity::{Lane, TokenDigest},
    pattern::Pattern,
    short_text::Slug,
};
use std::{collections::BTreeMap, sync::Arc};

/// The parts of a line.
pub(crate) struct Line {
    pub(crate) actor: String,
    /// The session that acts; `None` means the engineer's default session.
    pub(crate) session: Option<String>,
    pub(crate) verb: String,
    pub(crate) words: Vec<String>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Line {
    pub(crate) fn read(text: &str) -> Self {
        let mut parts = text.split_whitespace();
        let who = parts.next().expect("a line has an actor");
        let (actor, session) = match who.split_once('/') {
            Some((actor, _)) => (actor.to_owned(), Some(who.to_owned())),
            None => (who.to_owned(), None),
        };
        let verb = parts.next().unwrap_or_default().to_owned();
        let (mut words, mut options) = (Vec::new(), BTreeMap::new());
        for part in parts {
            match part.split_once('=') {
                Some((option, value)) => {
                    options.insert(option.to_owned(), value.to_owned());
                }
                None => words.push(part.to_owned()),
            }
        }
        Self { actor, session, verb, words, options, text: text.to_owned() }
    }

    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The options that are fields of a command, and not about who asks in which project.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let options = self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        options.filter(|(name, _)| !["in", "with", "as", "key", "slot", "start"].contains(name))
    }

    pub(crate) fn word(&self) -> &str {
        self.words.first().unwrap_or_else(|| panic!("{}: a word is missing", self.text))
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    pub(crate) fn slug(&self) -> Slug {
        Slug::parse(self.word()).unwrap()
    }

    pub(crate) fn slugs(&self, option: &str) -> Option<Arc<[Slug]>> {
        self.option(option).map(|list| parts(list).map(|slug| Slug::parse(slug).unwrap()).collect())
    }

    pub(crate) fn lane(&self) -> Option<Lane> {
        self.option("lane").map(lane)
    }

    pub(crate) fn priority(&self) -> Option<u32> {
        self.option("priority").map(|number| number.parse().unwrap())
    }

    pub(crate) fn spec(&self) -> Option<Arc<str>> {
        self.option("spec").map(Into::into)
    }

    pub(crate) fn patterns(&self, option: &str) -> Option<Arc<[Pattern]>> {
        self.option(option).map(patterns)
    }
}

pub(crate) fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|part| !part.is_empty())
}

/// Parses a list that is separated by commas; `{1..200}` stands for that many items, `{x*200}` for a name of that many
/// letters.
pub(crate) fn patterns(list: &str) -> Arc<[Pattern]> {
    let parse = |text: &str| match text.split_once("{x*").and_then(|(a, b)| Some((a, b.split_once('}')?))) {
        Some((head, (count, tail))) => {
            let letters = "x".repeat(count.parse().unwrap());
            Pattern::parse(&format!("{head}{letters}{tail}")).unwrap()
        }
        None => Pattern::parse(text).unwrap(),
    };
    parts(list)
        .flat_map(|part| {
            match part.split_once("{1..").and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
                Some((head, (count, tail))) => {
                    (1..=count.parse::<u32>().unwrap()).map(|n| parse(&format!("{head}{n}{tail}"))).collect()
                }
                None => vec![parse(part)],
            }
        })
        .collect()
}

pub(crate) fn lane(name: &str) -> Lane {
    Lane::ALL.into_iter().find(|lane| lane.name() == name).unwrap_or_else(|| panic!("no lane {name}"))
}

/// Parses a span such as `90s`, `2h`, `-3m` or `5ms`.
pub(crate) fn millis(text: &str) -> i64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        other => panic!("no unit {other} in {text}"),
    };
    digits.parse::<i64>().unwrap() * unit
}

pub(crate) fn span(text: &str) -> Millis {
    Millis(u64::try_from(millis(text)).unwrap())
}

pub(crate) fn digest(text: &str) -> TokenDigest {
    let mut bytes = [0; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    TokenDigest(bytes)
}
