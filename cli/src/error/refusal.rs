//! The text of a refusal by the cluster: who holds what, since when, until when.

use crate::text::{Clock, format, plain};
use nexus_api_types::{Code, ErrorBody, claim::Conflict, engineer::Me, feature::Blocked};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Lines of one refusal: more would scroll the first away.
const MOST_LINES: usize = 10;

/// One sentence, and more lines where there is more to say.
pub(super) fn message_and_lines(body: &ErrorBody, clock: &Clock) -> (String, Vec<String>) {
    let message = plain(&body.message);
    match body.code {
        Code::FileAlreadyClaimed => match list::<Conflict>(body, "conflicts") {
            None => (message, Vec::new()),
            Some(conflicts) => match conflicts.as_slice() {
                [only] => (held(only, clock), Vec::new()),
                several => {
                    let held = several.iter().map(|conflict| held(conflict, clock)).collect();
                    (format!("{} of the files are held by others", several.len()), short(held))
                }
            },
        },
        Code::NotFound => match list::<Blocked>(body, "blocked") {
            None => (message, Vec::new()),
            Some(all) => (message, short(all.iter().map(|one| blocked(one, clock)).collect())),
        },
        Code::ValidationError if body.details.as_ref().is_some_and(|all| all.get("candidates").is_some()) => {
            let candidates = list::<Me>(body, "candidates").unwrap_or_default();
            let lines = candidates.iter().map(|one| format!("{} <{}>  {}", one.name, one.email, one.id));
            (message, short(lines.collect()))
        }
        Code::ValidationError => (message, short(problems(body))),
        _ => (message, Vec::new()),
    }
}

/// A list in the details, if it is there, known and not empty.
fn list<T: DeserializeOwned>(body: &ErrorBody, name: &str) -> Option<Vec<T>> {
    let list = body.details.as_ref()?.get(name)?;
    let list: Vec<T> = serde_json::from_value(crate::text::plain_value(list.clone())).ok()?;
    (!list.is_empty()).then_some(list)
}

fn short(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// `src/db.rs is held by ana's agent "build" for feature billing-api, since 14:02, until 14:32 (in 4 min)`
fn held(conflict: &Conflict, clock: &Clock) -> String {
    let by = &conflict.claimed_by;
    let mut text = format!(
        "{} is held by {}",
        conflict.wanted_path,
        format::holder(&by.engineer_name, by.agent.as_deref(), &by.holder)
    );
    if conflict.wanted_path != conflict.file_path {
        text += &format!(" as {}", conflict.file_path);
    }
    if let Some(feature) = &by.feature_slug {
        text += &format!(" for feature {feature}");
    }
    text + &format!(
        ", since {}, until {}",
        clock.short(by.claimed_at),
        format::lease(by.expires_at, &by.holder, clock)
    )
}

fn blocked(blocked: &Blocked, clock: &Clock) -> String {
    format!("{}: {}", blocked.feature_slug, format::blocker(&blocked.blocked_by, clock))
}

/// Every problem of every field, where the message has only the first.
fn problems(body: &ErrorBody) -> Vec<String> {
    let Some(Value::Object(fields)) = &body.details else { return Vec::new() };
    let lines: Vec<String> = fields
        .iter()
        .filter_map(|(field, problems)| Some((field, problems.as_array()?)))
        .flat_map(|(field, problems)| {
            problems
                .iter()
                .filter_map(Value::as_str)
                .map(move |problem| plain(&format!("{field}: {problem}")))
        })
        .collect();
    if lines.len() > 1 { lines } else { Vec::new() }
}
