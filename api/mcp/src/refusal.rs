//! The text of a failure that an agent receives: what happened, who holds what until when, and which tool helps.

use crate::port::Failure;
use nexus_api_types::{
    Code, ErrorBody, Moment,
    claim::Conflict,
    envelope::MissingResource,
    feature::{Blocked, BlockedBy},
    holder::HolderSession,
};
use serde_json::Value;

/// Lines of a list that an agent is shown; more would only fill its context.
const MAX_LINES: usize = 20;

/// The text that explains a failure to an agent.
pub(crate) fn explain(failure: &Failure) -> String {
    match failure {
        Failure::Other(text) => text.clone(),
        Failure::Refused(body) => refused(body),
    }
}

fn refused(body: &ErrorBody) -> String {
    let detail = |name: &str| body.details.as_ref().and_then(|details| details.get(name));
    let conflicts = list::<Conflict>(detail("conflicts"));
    let message = match conflicts.len() {
        0 => &*body.message,
        1 => "nothing was taken, because another session holds a file",
        _ => "nothing was taken, because other sessions hold files",
    };
    let mut lines = vec![format!("{}: {message}", body.code.as_str())];
    lines.extend(conflicts.iter().take(MAX_LINES).map(conflict));
    let blocked = list::<Blocked>(detail("blocked"));
    lines.extend(
        blocked
            .iter()
            .take(MAX_LINES)
            .map(|one| format!("- {}: {}", one.feature_slug, because(&one.blocked_by))),
    );
    let rest = (conflicts.len() + blocked.len()).saturating_sub(MAX_LINES);
    if rest > 0 {
        lines.push(format!("- and {rest} more"));
    }
    lines.extend(problems(body));
    lines.push(format!("Next: {}", advice(body)));
    lines.join("\n")
}

/// Every problem of every field, where the message has only the first.
fn problems(body: &ErrorBody) -> Vec<String> {
    let fields =
        body.details.as_ref().and_then(Value::as_object).filter(|_| body.code == Code::ValidationError);
    let problems =
        fields.into_iter().flatten().filter_map(|(field, problems)| Some((field, problems.as_array()?)));
    let lines: Vec<String> = problems
        .flat_map(|(field, problems)| problems.iter().filter_map(Value::as_str).map(move |one| (field, one)))
        .take(MAX_LINES)
        .map(|(field, problem)| format!("- {field}: {problem}"))
        .collect();
    if lines.len() > 1 { lines } else { Vec::new() }
}

fn list<T: serde::de::DeserializeOwned>(value: Option<&Value>) -> Vec<T> {
    value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

fn conflict(conflict: &Conflict) -> String {
    let by = &conflict.claimed_by;
    let holder = holder(&by.engineer_name, by.agent.as_deref(), &by.holder);
    let work = by.feature_slug.as_ref().map_or(String::new(), |slug| format!(" for {slug}"));
    let until = time(by.expires_at) + &by.holder.renewal();
    if conflict.assumed {
        let (wanted, held) = (&conflict.wanted_path, &conflict.file_path);
        format!(
            "- {wanted} may collide with {held}, too complex to tell apart, which is held by {holder}{work} until {until}"
        )
    } else if conflict.file_path == conflict.wanted_path {
        format!("- {} is held by {holder}{work} until {until}", conflict.wanted_path)
    } else {
        let (wanted, held) = (&conflict.wanted_path, &conflict.file_path);
        format!("- {wanted} collides with {held}, which is held by {holder}{work} until {until}")
    }
}

/// The first items of a list, and the number of the others.
pub(crate) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    let first: Vec<&str> = items.iter().take(MAX_LINES).map(AsRef::as_ref).collect();
    match items.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Why a feature cannot be picked.
pub(crate) fn because(by: &BlockedBy) -> String {
    if !by.depends_on.is_empty() {
        return format!("waits for {}", by.depends_on.join(", "));
    }
    let holder = holder(by.engineer_name.as_deref().unwrap_or("somebody"), by.agent.as_deref(), &by.holder);
    let path = by.file_path.as_deref().unwrap_or("one of its files");
    let work = by.feature_slug.as_ref().map_or(String::new(), |slug| format!(" for {slug}"));
    let until =
        by.expires_at.map_or(String::new(), |at| format!(" until {}{}", time(at), by.holder.renewal()));
    format!("{path} is held by {holder}{work}{until}")
}

/// The name of a holder: an engineer, or one of its agents with its own name and the place where it works.
pub(crate) fn holder(engineer: &str, agent: Option<&str>, session: &HolderSession) -> String {
    let Some(agent) = agent else { return engineer.to_owned() };
    let name = session.session_name.as_ref().map(|name| format!("{name} ({agent})"));
    format!("{engineer}'s agent {}{}", name.as_deref().unwrap_or(agent), session.place())
}

/// A time as text.
pub(crate) fn time(moment: Moment) -> String {
    moment.to_string()
}

/// The next step for the agent: a tool to call, or what an engineer has to do.
fn advice(body: &ErrorBody) -> String {
    let detail = |name: &str| body.details.as_ref().and_then(|details| details.get(name));
    let text = |name: &str| detail(name).and_then(Value::as_str).unwrap_or_default();
    let advice = match body.code {
        Code::FileAlreadyClaimed | Code::FeatureAlreadyClaimed => {
            "take other work: available lists it, and pick without featureSlug takes the best of it; do not write to held files by other means"
        }
        Code::InvalidStatusTransition if detail("dependsOn").is_some() => {
            "available lists what can be picked meanwhile"
        }
        Code::InvalidStatusTransition => next_from(text("from")),
        Code::NotFound => match (detail("blocked").and_then(Value::as_array).map(Vec::len), missing(body)) {
            (Some(0), _) => {
                "an engineer has to write a feature (nexus feature create) or make a draft ready (nexus feature ready SLUG)"
            }
            (Some(_), _) => {
                "pick again later, when one of these files is free; status shows who works on what"
            }
            (None, Some(MissingResource::Session)) => {
                "the session of this connection is over, and holds nothing: connect again without its X-Nexus-Session"
            }
            (None, _) => "status lists the features at work, and available those that can be picked",
        },
        Code::ValidationError if detail("holder").is_some() => {
            "status shows who works on what; done and release are for features that you picked"
        }
        Code::ValidationError => "correct what it names, and call the tool again",
        Code::Unauthorized | Code::InvalidApiKey => {
            "an engineer has to give this connection a valid API key; nexus whoami shows whether one is valid"
        }
        Code::Forbidden | Code::NotProjectMember | Code::InsufficientRole => {
            "an engineer has to grant this: a lead of the project, or an admin"
        }
        Code::PayloadTooLarge => "send less: keep long texts in the repository, and name the file",
        Code::RateLimited => "wait a few seconds, and call the tool again",
        Code::ServiceUnavailable if text("outcome") == "unknown" => {
            "it may have been done all the same: look with status before you call the tool again"
        }
        Code::ServiceUnavailable | Code::IdempotencyKeyReused => "call the tool again in a few seconds",
        Code::StaleFence => "stop writing to these files; why shows who holds them now",
        Code::InternalError => {
            return format!("tell an engineer: the node's log says more under request {}", body.request_id);
        }
        Code::AlreadyExists | Code::MethodNotAllowed | Code::UnsupportedMediaType | Code::Unknown => {
            "tell an engineer what this says; nexus --version and nexus cluster status show whether the versions fit"
        }
    };
    advice.to_owned()
}

/// The next step with a feature of this status.
fn next_from(status: &str) -> &'static str {
    match status {
        "draft" => {
            "an engineer has to make it ready (nexus feature ready SLUG); available lists what can be picked"
        }
        "ready" => "pick takes it first",
        "active" => "status shows who works on it",
        "done" | "cancelled" => "available lists what can be picked instead",
        _ => "status and available show where features stand",
    }
}

/// The resource that does not exist, if the server says which.
fn missing(body: &ErrorBody) -> Option<MissingResource> {
    serde_json::from_value(body.details.as_ref()?.get("resource")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn explained(code: Code, message: &str, details: &Value) -> String {
        let body = json!({ "code": code, "message": message, "details": details, "requestId": "r" });
        explain(&Failure::Refused(serde_json::from_value(body).expect("it is a refusal")))
    }

    #[test]
    fn every_refusal_says_what_to_do_next() {
        for (code, _) in Code::ALL {
            let text = explained(*code, "no", &Value::Null);
            let (first, next) = text.split_once("\nNext: ").expect("there is a next step");
            assert_eq!(first, format!("{code}: no"));
            assert!(next.split_whitespace().count() > 3, "{text}");
        }
    }

    #[test]
    fn a_conflict_names_path_holder_feature_and_time() {
        let id = "00000000-0000-0000-0000-000000000001";
        let by = json!({ "engineerId": id, "engineerName": "Ana", "sessionId": id, "agent": "build", "featureId": id,
            "featureSlug": "billing", "claimedAt": "2026-01-31T14:00:00.000Z",
            "expiresAt": "2026-01-31T14:32:00.000Z" });
        let conflict = json!({ "filePath": "src/", "wantedPath": "src/db.rs", "claimedBy": by });
        let text = explained(
            Code::FileAlreadyClaimed,
            "file conflicts with Ana",
            &json!({ "conflicts": [conflict] }),
        );
        assert_eq!(
            text,
            "FILE_ALREADY_CLAIMED: nothing was taken, because another session holds a file\n\
             - src/db.rs collides with src/, which is held by Ana's agent build for billing until \
             2026-01-31T14:32:00.000Z\n\
             Next: take other work: available lists it, and pick without featureSlug takes the best of it; do not write \
             to held files by other means"
        );
    }

    #[test]
    fn the_next_step_depends_on_where_a_feature_stands() {
        for (details, tool) in [
            (json!({ "from": "ready", "to": "done" }), "pick takes it first"),
            (json!({ "from": "done", "to": "active" }), "available"),
            (json!({ "dependsOn": ["schema"] }), "available"),
        ] {
            let text = explained(Code::InvalidStatusTransition, "no", &details);
            assert!(text.split_once("Next: ").is_some_and(|(_, next)| next.contains(tool)), "{text}");
        }
        let two = explained(Code::ValidationError, "a: no", &json!({ "a": ["no"], "b": ["not so"] }));
        assert!(two.starts_with("VALIDATION_ERROR: a: no\n- a: no\n- b: not so\nNext: "), "{two}");
        let none_ready = explained(Code::NotFound, "no feature is free to pick", &json!({ "blocked": [] }));
        assert!(none_ready.contains("nexus feature ready SLUG"), "{none_ready}");
    }
}
