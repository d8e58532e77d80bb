//! Whether two paths collide, by brute force: every alternative of one pattern is walked together with every
//! alternative of the other, over the few characters that either of them names. It is slow and has no limits, and knows
//! only ASCII: other letters are compared as they are written.

use nexus_domain::pattern::Case;
use std::collections::BTreeSet;

/// A character that no pattern names.
const UNNAMED: char = '\u{e000}';

/// Whether a session may not claim one of these paths exclusively while another session holds the other.
pub(super) fn collide(one: &str, other: &str, case: Case) -> bool {
    let differ = |(this, that): (char, char)| match case {
        Case::Sensitive => this != that,
        Case::Insensitive => !this.eq_ignore_ascii_case(&that),
    };
    if fixed(one).zip(fixed(other)).any(differ) {
        return false;
    }
    let (one, other) = (spelled(one, case), spelled(other, case));
    if is_file_above(&one, &other) || is_file_above(&other, &one) {
        return true;
    }
    let (these, those) = (alternatives(&one, case), alternatives(&other, case));
    these.iter().any(|this| those.iter().any(|that| meet(this, that)))
}

/// Characters that every path of a pattern begins with: those before its first wildcard. A dot ends them, too, since it
/// may be an empty step.
fn fixed(pattern: &str) -> impl Iterator<Item = char> {
    pattern.chars().take_while(|c| !['*', '?', '[', '{', '.'].contains(c))
}

/// The spelling by which paths are compared.
pub(super) fn spelled(path: &str, case: Case) -> String {
    match case {
        Case::Sensitive => path.to_owned(),
        Case::Insensitive => path.to_ascii_lowercase(),
    }
}

/// Whether one path is the name of a file where the other one needs a folder.
fn is_file_above(file: &str, below: &str) -> bool {
    !file.contains(['*', '?']) && below.starts_with(&format!("{file}/"))
}

/// One element of a pattern without braces.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Char(char),
    /// A `?` in a pattern.
    One,
    /// A single `*` in a pattern.
    Star,
    /// A `**` in a pattern.
    Any,
    /// `[…]`: the ranges, and whether they are excluded.
    Set(Vec<(char, char)>, bool),
}

impl Token {
    fn reads(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::One | Self::Star => c != '/',
            Self::Any => true,
            Self::Set(ranges, is_excluded) => {
                c != '/' && ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *is_excluded
            }
        }
    }

    const fn may_read_nothing(&self) -> bool {
        matches!(self, Self::Star | Self::Any)
    }
}

/// The token sequences that a pattern stands for.
fn alternatives(pattern: &str, case: Case) -> Vec<Vec<Token>> {
    let chars: Vec<char> = pattern.chars().collect();
    expanded(&chars, case).iter().flat_map(|tokens| normal(tokens)).collect()
}

/// The sequences of a text, one for each choice in its brackets and braces.
fn expanded(text: &[char], case: Case) -> Vec<Vec<Token>> {
    let Some(first) = text.first() else { return vec![Vec::new()] };
    let (heads, length) = match first {
        '*' => {
            let run = text.iter().take_while(|c| **c == '*').count();
            (vec![vec![if run == 1 { Token::Star } else { Token::Any }]], run)
        }
        '?' => (vec![vec![Token::One]], 1),
        '[' => match end_of_class(text) {
            Some(end) => (vec![literally(&text[..=end]), vec![class(&text[1..end], case)]], end + 1),
            None => (vec![vec![Token::Char('[')]], 1),
        },
        '{' => match end_of_braces(text) {
            Some((commas, end)) => {
                let mut heads = vec![literally(&text[..=end])];
                let mut from = 1;
                for to in commas.into_iter().chain([end]) {
                    heads.extend(expanded(&text[from..to], case));
                    from = to + 1;
                }
                (heads, end + 1)
            }
            None => (vec![vec![Token::Char('{')]], 1),
        },
        other => (vec![vec![Token::Char(*other)]], 1),
    };
    let tails = expanded(&text[length..], case);
    heads
        .iter()
        .flat_map(|head| tails.iter().map(move |tail| [head.clone(), tail.clone()].concat()))
        .collect()
}

fn literally(text: &[char]) -> Vec<Token> {
    text.iter().copied().map(Token::Char).collect()
}

/// The position of the bracket that closes a class.
fn end_of_class(text: &[char]) -> Option<usize> {
    let mut at = 1;
    at += usize::from(matches!(text.get(at), Some('!' | '^')));
    at += usize::from(text.get(at) == Some(&']'));
    while let Some(c) = text.get(at) {
        match c {
            '/' => return None,
            ']' => return Some(at),
            '[' if text.get(at + 1) == Some(&':') => {
                let inside = text[at + 2..].iter().take_while(|c| **c != '/').collect::<String>();
                at += inside.find(":]").map_or(1, |length| length + 4);
            }
            _ => at += 1,
        }
    }
    None
}

/// The commas of a brace, and the position that closes it. Brackets within are opaque.
fn end_of_braces(text: &[char]) -> Option<(Vec<usize>, usize)> {
    let (mut commas, mut depth, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        match text[at] {
            '[' => at += end_of_class(&text[at..]).unwrap_or(0),
            '{' => depth += 1,
            '}' if depth == 1 => return Some((commas, at)),
            '}' => depth -= 1,
            ',' if depth == 1 => commas.push(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn class(inside: &[char], case: Case) -> Token {
    let is_named = inside.windows(2).any(|pair| pair == ['[', ':']);
    if is_named || case == Case::Insensitive {
        return Token::One;
    }
    let is_excluded = matches!(inside.first(), Some('!' | '^'));
    let members = &inside[usize::from(is_excluded)..];
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < members.len() {
        let is_range = at + 2 < members.len() && members[at + 1] == '-';
        let to = if is_range { at + 2 } else { at };
        ranges.push((members[at], members[to]));
        at = to + 1;
    }
    Token::Set(ranges, is_excluded)
}

/// The sequences without empty components; `**` as a whole component may also be none.
fn normal(tokens: &[Token]) -> Vec<Vec<Token>> {
    let slash = Token::Char('/');
    let parts: Vec<&[Token]> = tokens.split(|token| *token == slash).collect();
    let is_folder = parts.last().is_some_and(|last| last.is_empty() || *last == [Token::Char('.')]);
    let mut parts: Vec<Vec<Token>> = parts
        .into_iter()
        .filter(|part| !part.is_empty() && *part != [Token::Char('.')])
        .map(|part| if part == [Token::Star] { vec![Token::One, Token::Star] } else { part.to_vec() })
        .collect();
    if is_folder {
        parts.push(vec![Token::Any]);
    }
    let mut all = vec![Vec::new()];
    for (at, part) in parts.iter().enumerate() {
        let may_be_none = *part == [Token::Any] && at + 1 < parts.len();
        let with = all.iter().map(|before: &Vec<Token>| {
            let separator = if before.is_empty() { Vec::new() } else { vec![slash.clone()] };
            [before.clone(), separator, part.clone()].concat()
        });
        let with: Vec<Vec<Token>> = with.collect();
        all = if may_be_none { [all, with].concat() } else { with };
    }
    all
}

/// The beginning of the component that a path is in: no component may be empty, `.` or `..`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Component {
    Empty,
    Dot,
    DotDot,
    Named,
}

impl Component {
    const fn then(self, c: char) -> Option<Self> {
        match (self, c) {
            (Self::Named, '/') => Some(Self::Empty),
            (_, '/') => None,
            (Self::Empty, '.') => Some(Self::Dot),
            (Self::Dot, '.') => Some(Self::DotDot),
            _ => Some(Self::Named),
        }
    }
}

/// Whether some path is read by both sequences.
fn meet(one: &[Token], other: &[Token]) -> bool {
    let letters = letters(one.iter().chain(other));
    let mut seen = BTreeSet::new();
    let mut next = vec![(0, 0, Component::Empty)];
    while let Some((i, j, component)) = next.pop() {
        if !seen.insert((i, j, component)) {
            continue;
        }
        if i == one.len() && j == other.len() && component == Component::Named {
            return true;
        }
        if one.get(i).is_some_and(Token::may_read_nothing) {
            next.push((i + 1, j, component));
        }
        if other.get(j).is_some_and(Token::may_read_nothing) {
            next.push((i, j + 1, component));
        }
        let (Some(this), Some(that)) = (one.get(i), other.get(j)) else { continue };
        for c in letters.iter().filter(|c| this.reads(**c) && that.reads(**c)) {
            let Some(component) = component.then(*c) else { continue };
            next.push((
                i + usize::from(!this.may_read_nothing()),
                j + usize::from(!that.may_read_nothing()),
                component,
            ));
        }
    }
    false
}

/// The characters that tell these tokens apart.
fn letters<'a>(tokens: impl Iterator<Item = &'a Token>) -> BTreeSet<char> {
    let mut letters = BTreeSet::from(['/', '.', UNNAMED]);
    for token in tokens {
        match token {
            Token::Char(c) => {
                letters.insert(*c);
            }
            Token::Set(ranges, _) => letters.extend(ranges.iter().flat_map(|(from, to)| *from..=*to)),
            Token::One | Token::Star | Token::Any => {}
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nexus_domain::pattern::Pattern;
    use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

    #[test]
    fn files_folders_and_globs_collide_as_the_documents_say() {
        let collides = |one, other| collide(one, other, Case::Sensitive);
        assert!(collides("src/", "src/db.rs"));
        assert!(collides("src", "src/db.rs"));
        assert!(collides("./", "anything"));
        assert!(collides("src/*.rs", "src/db.rs"));
        assert!(collides("a/**/b", "a/b"));
        assert!(collides("app/[id]/", "app/[id]/page.tsx"));
        assert!(collides("{x,z}.rs", "z.rs"));
        assert!(!collides("src/*.rs", "src/api/db.rs"));
        assert!(!collides("a/*", "a/b/c"));
        assert!(!collides("x.rs", "X.rs"));
        assert!(collide("x.rs", "X.rs", Case::Insensitive));
    }

    /// A pattern of a few pieces, so that many pairs collide.
    fn pattern(random: &mut impl Rng) -> Option<Pattern> {
        const PIECES: [&str; 17] = [
            "a", "b", ".", "/", "/", "*", "**", "?", "[ab]", "[!a]", "{a,b}", "{a,b/}", "a/b", "/**/", "c",
            "A", "src/",
        ];
        let text: String =
            (0..random.random_range(1..6)).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect();
        Pattern::parse(&text).ok()
    }

    #[test]
    fn brute_force_and_the_domain_agree() {
        let mut random = SmallRng::seed_from_u64(7);
        let (mut pairs, mut collisions) = (0, 0);
        while pairs < 20_000 {
            let (Some(one), Some(other)) = (pattern(&mut random), pattern(&mut random)) else { continue };
            pairs += 1;
            let collides = collide(one.as_str(), other.as_str(), Case::Sensitive);
            collisions += usize::from(collides);
            assert_eq!(collides, one.overlaps(&other), "{} and {}", one.as_str(), other.as_str());
        }
        assert!(collisions > pairs / 10, "only {collisions} of {pairs} collide");
    }
}
