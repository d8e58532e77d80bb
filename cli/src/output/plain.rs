//! Texts that others wrote, made safe to print: a title must not be able to clear the screen,
//! retitle the window or hide a line.

use serde_json::Value;

/// The text without control characters, except line ends and tabs.
pub(crate) fn plain(text: &str) -> String {
    let safe = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    text.chars().map(|letter| if safe(letter) { letter } else { '\u{fffd}' }).collect()
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
}
