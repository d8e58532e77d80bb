//! Texts that others wrote, made safe to print: a title must not be able to clear the screen,
//! retitle the window, hide a line or turn around the order in which it is read.

use serde_json::Value;

/// Stands for a character that is not printed.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character steers whatever shows it instead of being shown.
fn steers(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        // Marks and overrides of the direction of writing, and the ends of lines that no terminal has.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => letter.is_control(),
    }
}

/// The text without control characters, except line ends and tabs, and without those that turn its direction. In their
/// place stands U+FFFD.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if steers(letter) { REPLACEMENT } else { letter }).collect()
}

/// The same for every text in a value.
pub(crate) fn plain_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(items) => items.into_iter().map(plain_value).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (plain(&name), plain_value(value))).collect()
        }
        other => other,
    }
}

/// A line for a terminal: remaining control characters are replaced here, except colours.
pub(crate) fn printable(line: &str) -> String {
    /// The beginning of an escape sequence, and the end of one that only sets colours.
    const COLOUR: (&str, char) = ("\u{1b}[", 'm');
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let colour = rest.strip_prefix(COLOUR.0).and_then(|inner| {
            let end = inner.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
            inner[end..].starts_with(COLOUR.1).then_some(COLOUR.0.len() + end + COLOUR.1.len_utf8())
        });
        let length = colour.unwrap_or_else(|| letter.len_utf8());
        match colour {
            None if steers(letter) => text.push(REPLACEMENT),
            _ => text.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    text
}

/// JSON that a terminal may show: what JSON itself leaves as it is and a terminal would not show is written as `\u…`,
/// which says the same to a program.
pub(crate) fn printable_json(value: &Value, is_long: bool) -> String {
    let json = if is_long { format!("{value:#}") } else { value.to_string() };
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if steers(letter) {
            // All of them are in the first plane.
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn control_characters_are_shown_as_such() {
        assert_eq!(plain("a\u{1b}[2Jb\r\u{9b}c\nd\te"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\nd\te");
        let value = plain_value(json!({ "a\u{7}": ["b\u{8}", 1, null] }));
        assert_eq!(value, json!({ "a\u{fffd}": ["b\u{fffd}", 1, null] }));
    }

    #[test]
    fn nothing_turns_around_the_order_in_which_a_text_is_read() {
        for letter in
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
                .chars()
        {
            assert_eq!(plain(&format!("a{letter}b")), "a\u{fffd}b", "{}", letter.escape_unicode());
            assert_eq!(printable(&format!("a{letter}b")), "a\u{fffd}b", "{}", letter.escape_unicode());
        }
        for text in ["ä 漢字 שלום 👩\u{200d}💻 می\u{200c}خواهم", "a\tb\nc"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn a_line_may_be_coloured_and_nothing_else() {
        let coloured = "\u{1b}[1;31mError:\u{1b}[0m \u{1b}[mx";
        assert_eq!(printable(coloured), coloured);
        assert_eq!(
            printable("\u{1b}[2Ja\u{1b}]0;title\u{7}b\u{1b}"),
            "\u{fffd}[2Ja\u{fffd}]0;title\u{fffd}b\u{fffd}"
        );
    }

    #[test]
    fn json_says_the_same_in_characters_that_can_be_seen() {
        let value = json!({ "title": "a\u{202e}b\u{9b}c\u{7f}d\u{1b}\n" });
        let text = printable_json(&value, false);
        assert_eq!(text, "{\"title\":\"a\\u202eb\\u009bc\\u007fd\\u001b\\n\"}");
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
    }
}
