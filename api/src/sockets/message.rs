//! Parses the messages of clients on a WebSocket. Never panics, whatever the text is.

use nexus_api_types::socket::Request;
use nexus_domain::short_text::Slug;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Largest message of a client, in bytes: the longest valid one has about a hundred.
pub(crate) const MAX_MESSAGE: usize = 4 << 10;

/// Parses a message.
///
/// # Errors
/// A description of the problem, for people.
pub(crate) fn parse(text: &str) -> Result<Request, String> {
    if text.len() > MAX_MESSAGE {
        return Err(format!("a message has at most {MAX_MESSAGE} bytes"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?;
    let Value::Object(fields) = value else { return Err("a message is a JSON object".to_owned()) };
    match fields.get("type").and_then(Value::as_str) {
        Some("join") => join(&fields),
        Some("heartbeat") => Ok(Request::Heartbeat),
        Some("leave") => Ok(Request::Leave),
        _ => Err("type must be join, heartbeat or leave".to_owned()),
    }
}

fn join(fields: &Map<String, Value>) -> Result<Request, String> {
    let is_project = |text: &&str| text.parse::<Uuid>().is_ok() || Slug::parse(text).is_ok();
    let project = fields.get("projectId").and_then(Value::as_str).filter(is_project);
    let problem = || "projectId must be the id (a UUID) or the slug of a project".to_owned();
    let project_id = project.ok_or_else(problem)?.to_owned();
    let since = match fields.get("since") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(value.as_u64().ok_or_else(|| "since must be a revision, a whole number".to_owned())?)
        }
    };
    Ok(Request::Join { project_id, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts that are almost messages.
    fn nearly() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("\"join\"".to_owned()),
            Just("\"heartbeat\"".to_owned()),
            Just("\"leave\"".to_owned()),
            Just("null".to_owned()),
            Just("[[[".to_owned()),
            any::<u128>().prop_map(|id| format!("\"{}\"", Uuid::from_u128(id))),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| number.to_string()),
            ".{0,20}",
        ];
        let name = prop_oneof![
            Just("type".to_owned()),
            Just("projectId".to_owned()),
            Just("since".to_owned()),
            ".{0,10}",
        ];
        prop::collection::vec((name, word), 0..5).prop_map(|fields| {
            let fields: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    }

    proptest! {
        #[test]
        fn any_text_is_a_request_or_gets_a_description_of_the_problem(text in prop_oneof![nearly(), ".{0,200}"]) {
            if let Err(problem) = parse(&text) {
                prop_assert!(!problem.is_empty());
            }
        }

        #[test]
        fn every_request_survives_a_round_trip(id in any::<u128>(), since in any::<Option<u64>>()) {
            let join = Request::Join { project_id: Uuid::from_u128(id).to_string(), since };
            for request in [join, Request::Heartbeat, Request::Leave] {
                let text = serde_json::to_string(&request).expect("a request is JSON");
                prop_assert_eq!(parse(&text), Ok(request));
            }
        }
    }

    #[test]
    fn a_wrong_field_is_named() {
        let id = Uuid::from_u128(7);
        let cases = [
            ("", "JSON"),
            ("[]", "object"),
            ("{}", "type"),
            (r#"{"type":"dance"}"#, "type"),
            (r#"{"type":"join"}"#, "projectId"),
            (r#"{"type":"join","projectId":"a/demo"}"#, "projectId"),
        ];
        for (text, named) in cases {
            assert!(parse(text).is_err_and(|problem| problem.contains(named)), "{text}");
        }
        for since in ["-1", "1.5", "\"7\"", "{}", "18446744073709551616"] {
            let text = format!(r#"{{"type":"join","projectId":"{id}","since":{since}}}"#);
            assert!(parse(&text).is_err_and(|problem| problem.contains("since")), "{text}");
        }
        assert!(parse(&"x".repeat(MAX_MESSAGE + 1)).is_err_and(|problem| problem.contains("bytes")));
    }
}
