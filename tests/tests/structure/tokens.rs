//! Rust as a list of tokens, enough to see which paths a file names. Comments, texts and lifetimes are left out.

/// A word, a number or a sign; `::` is one sign.
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Token {
    /// Whether it is a name or a keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
    }
}

/// The tokens of a file.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(letter) = letters.get(at).copied() {
        let next = letters.get(at + 1).copied();
        let end = match (letter, next) {
            ('/', Some('/')) => line_end(&letters, at),
            ('/', Some('*')) => comment_end(&letters, at),
            ('"', _) => text_end(&letters, at),
            ('r', Some('"' | '#')) | ('b', Some('r')) if raw_hashes(&letters, at).is_some() => {
                raw_text_end(&letters, at)
            }
            ('b', Some('"')) => text_end(&letters, at + 1),
            ('b', Some('\'')) => quote_end(&letters, at + 1),
            ('\'', _) => quote_end(&letters, at),
            _ if letter.is_whitespace() => at + 1,
            _ => {
                let length = if is_of_word(letter) {
                    letters[at..].iter().take_while(|letter| is_of_word(**letter)).count()
                } else if (letter, next) == (':', Some(':')) {
                    2
                } else {
                    1
                };
                found.push(Token { text: letters[at..at + length].iter().collect(), line });
                at + length
            }
        };
        line += letters[at..end.min(letters.len())].iter().filter(|letter| **letter == '\n').count();
        at = end;
    }
    found
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn line_end(letters: &[char], at: usize) -> usize {
    letters[at..].iter().position(|letter| *letter == '\n').map_or(letters.len(), |length| at + length)
}

fn comment_end(letters: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of a text that begins with a quotation mark.
fn text_end(letters: &[char], mut at: usize) -> usize {
    at += 1;
    while at < letters.len() && letters[at] != '"' {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// How many `#` a raw text begins with; none where it is another word that begins with `r` or `b`.
fn raw_hashes(letters: &[char], at: usize) -> Option<usize> {
    let start = if letters[at] == 'b' { at + 2 } else { at + 1 };
    let hashes = letters[start..].iter().take_while(|letter| **letter == '#').count();
    (letters.get(start + hashes) == Some(&'"')).then_some(hashes)
}

fn raw_text_end(letters: &[char], at: usize) -> usize {
    let hashes = raw_hashes(letters, at).unwrap_or_default();
    let start = at + if letters[at] == 'b' { 2 } else { 1 } + hashes + 1;
    let is_end =
        |from: usize| letters[from] == '"' && (1..=hashes).all(|more| letters.get(from + more) == Some(&'#'));
    (start..letters.len()).find(|from| is_end(*from)).map_or(letters.len(), |from| from + hashes + 1)
}

/// The end of a letter in quotes, or of a lifetime.
fn quote_end(letters: &[char], at: usize) -> usize {
    match (letters.get(at + 1), letters.get(at + 2)) {
        (Some('\\'), _) => {
            let end = letters[at + 3..].iter().position(|letter| *letter == '\'');
            end.map_or(letters.len(), |length| at + 3 + length + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1 + letters[at + 1..].iter().take_while(|letter| is_of_word(**letter)).count(),
    }
}

/// The tokens that are compiled into programs: items behind `#[cfg(test)]`, `#[cfg(all(test, …))]` or
/// `#[cfg(any(test, fuzzing))]` are left out.
pub(crate) fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if token.text != "#" || tokens.peek().is_none_or(|next| next.text != "[") {
            kept.push(token);
            continue;
        }
        // No attribute names a module.
        let mut attribute = Vec::new();
        let mut depth = 0;
        for inner in tokens.by_ref() {
            depth += i32::from(inner.text == "[") - i32::from(inner.text == "]");
            attribute.push(inner.text);
            if depth == 0 {
                break;
            }
        }
        let is_for_tests = attribute.starts_with(&["[", "cfg", "(", "test"].map(str::to_owned))
            || attribute.starts_with(&["[", "cfg", "(", "all", "(", "test"].map(str::to_owned))
            || attribute
                .starts_with(&["[", "cfg", "(", "any", "(", "test", ",", "fuzzing"].map(str::to_owned));
        if is_for_tests {
            skip_item(&mut tokens);
        }
    }
    kept
}

/// Skips an item with its other attributes: to its semicolon, the end of its braces, or the comma behind a field.
fn skip_item(tokens: &mut std::iter::Peekable<impl Iterator<Item = Token>>) {
    let mut depth = 0;
    let mut is_import = false;
    let mut is_first = true;
    while let Some(next) = tokens.peek() {
        // The end of the block around the item.
        if depth == 0 && matches!(next.text.as_str(), "}" | ")" | "]") {
            return;
        }
        let Some(token) = tokens.next() else { return };
        match token.text.as_str() {
            "use" => is_import = true,
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        let ends = match token.text.as_str() {
            ";" | "," => depth == 0,
            "}" => depth == 0 && !is_import,
            _ => false,
        };
        // An attribute in front of the item is a part of it.
        if ends && !is_first {
            return;
        }
        is_first = false;
    }
}
