//! Canonical JSON text, which is equal for equal values: with sorted keys and no spaces. It does not rely on the order
//! in which the JSON library keeps keys, which a feature of any dependency could change.

use serde_json::Value;
use std::collections::BTreeMap;

/// A value as canonical text. The library's nesting limit of 128 bounds the recursion.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            out.push('{');
            for (at, (name, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter_and_that_of_items_does() {
        let text_of = |json: &str| text(&serde_json::from_str(json).unwrap());
        let one = r#"{"b": [{"y": 1, "x": null}, "\u00e9\n"], "a": {"d": 1.5, "c": true}}"#;
        let other = r#"{"a": {"c": true, "d": 1.5}, "b": [{"x": null, "y": 1}, "é\n"]}"#;
        assert_eq!(text_of(one), r#"{"a":{"c":true,"d":1.5},"b":[{"x":null,"y":1},"é\n"]}"#);
        assert_eq!(text_of(one), text_of(other));
        assert_ne!(text_of("[1,2]"), text_of("[2,1]"));
        assert_eq!(
            serde_json::from_str::<Value>(&text_of(one)).unwrap(),
            serde_json::from_str::<Value>(one).unwrap()
        );
    }
}
