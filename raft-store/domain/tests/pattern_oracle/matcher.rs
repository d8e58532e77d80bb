//! The meaning of patterns, written a second time and as simply as possible: expand every choice, then match by
//! backtracking. It shares no line with the code that it checks.

#[derive(Clone, Debug)]
enum Token {
    Char(char),
    One,
    Star,
    Any,
    Class { negated: bool, members: Vec<(char, char)> },
}

/// Whether `pattern` matches `path`.
pub fn matches(pattern: &str, path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    expansions(&pattern.chars().collect::<Vec<_>>())
        .iter()
        .flat_map(|raw| normalised(raw))
        .any(|tokens| matches_tokens(&tokens, &path))
}

/// The second collision rule: one names a file where the other needs a folder.
pub fn one_is_file_above(one: &str, other: &str) -> bool {
    let is_above =
        |name: &str, beneath: &str| !name.contains(['*', '?']) && beneath.starts_with(&format!("{name}/"));
    is_above(one, other) || is_above(other, one)
}

fn expansions(text: &[char]) -> Vec<Vec<Token>> {
    let Some(&first) = text.first() else {
        return vec![vec![]];
    };
    let mut heads: Vec<Vec<Token>> = vec![vec![Token::Char(first)]];
    let mut used = 1;
    match first {
        '?' => heads = vec![vec![Token::One]],
        '*' => {
            used = text.iter().take_while(|&&c| c == '*').count();
            heads = vec![vec![if used == 1 { Token::Star } else { Token::Any }]];
        }
        '[' => {
            if let Some(end) = class_end(text) {
                used = end + 1;
                heads = vec![literal(&text[..used]), vec![class(&text[1..end])]];
            }
        }
        '{' => {
            if let Some(end) = brace_end(text) {
                used = end + 1;
                heads = vec![literal(&text[..used])];
                for alternative in split_at_commas(&text[1..end]) {
                    heads.extend(expansions(&alternative));
                }
            }
        }
        _ => {}
    }
    let tails = expansions(&text[used..]);
    heads
        .iter()
        .flat_map(|head| tails.iter().map(move |tail| [head.clone(), tail.clone()].concat()))
        .collect()
}

fn literal(text: &[char]) -> Vec<Token> {
    text.iter().map(|&c| Token::Char(c)).collect()
}

fn class_end(text: &[char]) -> Option<usize> {
    let negation = usize::from(matches!(text.get(1), Some('!' | '^')));
    for (at, &c) in text.iter().enumerate().skip(1 + negation) {
        match c {
            '/' => return None,
            ']' if at > 1 + negation => return Some(at),
            _ => {}
        }
    }
    None
}

fn class(inside: &[char]) -> Token {
    let negated = matches!(inside[0], '!' | '^');
    let mut rest = &inside[usize::from(negated)..];
    let mut members = Vec::new();
    while let Some(&from) = rest.first() {
        let is_range = rest.len() > 2 && rest[1] == '-';
        members.push((from, if is_range { rest[2] } else { from }));
        rest = &rest[if is_range { 3 } else { 1 }..];
    }
    Token::Class { negated, members }
}

fn brace_end(text: &[char]) -> Option<usize> {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text[at] {
            '[' => at += class_end(&text[at..]).unwrap_or(0),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn split_at_commas(inside: &[char]) -> Vec<Vec<char>> {
    let mut parts = vec![vec![]];
    let mut at = 0;
    while at < inside.len() {
        let skip = match inside[at] {
            '[' => class_end(&inside[at..]).unwrap_or(0),
            '{' => brace_end(&inside[at..]).unwrap_or(0),
            ',' => {
                parts.push(vec![]);
                at += 1;
                continue;
            }
            _ => 0,
        };
        let last = parts.last_mut().expect("there is always one part");
        last.extend_from_slice(&inside[at..=at + skip]);
        at += skip + 1;
    }
    parts
}

/// Normalises an expansion like a path: without empty and `.` components, a `**` component present or not, a folder
/// followed by anything.
fn normalised(raw: &[Token]) -> Vec<Vec<Token>> {
    let components: Vec<&[Token]> = raw.split(|t| matches!(t, Token::Char('/'))).collect();
    if components.iter().all(|c| c.is_empty()) {
        return vec![];
    }
    let mut readings: Vec<(Vec<&[Token]>, bool)> = vec![(vec![], false)];
    for component in components {
        match component {
            [] | [Token::Char('.')] => readings.iter_mut().for_each(|(_, folder)| *folder = true),
            [Token::Any] => {
                let with = readings.clone().into_iter().map(|(mut kept, _)| {
                    kept.push(component);
                    (kept, false)
                });
                let with: Vec<_> = with.collect();
                readings.iter_mut().for_each(|(_, folder)| *folder = true);
                readings.extend(with);
            }
            _ => readings.iter_mut().for_each(|(kept, folder)| {
                kept.push(component);
                *folder = false;
            }),
        }
    }
    let joined = readings.into_iter().map(|(mut kept, folder)| {
        if folder {
            kept.push(&[Token::One, Token::Any]);
        }
        kept.join(&Token::Char('/'))
    });
    joined.collect()
}

fn matches_tokens(tokens: &[Token], path: &[char]) -> bool {
    let Some(token) = tokens.first() else {
        return path.is_empty();
    };
    let rest = &tokens[1..];
    match token {
        Token::Any => (0..=path.len()).any(|n| matches_tokens(rest, &path[n..])),
        Token::Star => {
            let longest = path.iter().take_while(|&&c| c != '/').count();
            (0..=longest).any(|n| matches_tokens(rest, &path[n..]))
        }
        one => {
            let Some(&c) = path.first() else {
                return false;
            };
            let fits = match one {
                Token::Char(expected) => c == *expected,
                Token::Class { negated, members } => {
                    c != '/' && members.iter().any(|&(from, to)| from <= c && c <= to) != *negated
                }
                _ => c != '/',
            };
            fits && matches_tokens(rest, &path[1..])
        }
    }
}
