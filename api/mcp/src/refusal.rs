//! The text of a failure that an agent receives: what happened, who holds what until when, and which tool helps.

use crate::port::Failure;
use nexus_api_types::{
    Code, ErrorBody, Moment,
    claim::Conflict,
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
    let mut lines = vec![format!("{}: {}", body.code.as_str(), body.message)];
    let detail = |name: &str| body.details.as_ref().and_then(|details| details.get(name));
    let conflicts = list::<Conflict>(detail("conflicts"));
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
    if body.code == Code::ValidationError
        && let Some(Value::Object(fields)) = &body.details
    {
        for (field, problems) in fields.iter().filter(|(_, problems)| problems.is_array()) {
            let problems: Vec<&str> =
                problems.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            lines.push(format!("- {field}: {}", problems.join("; ")));
        }
    }
    lines.push(format!("Next: {}", advice(body)));
    lines.join("\n")
}

fn list<T: serde::de::DeserializeOwned>(value: Option<&Value>) -> Vec<T> {
    value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

fn conflict(conflict: &Conflict) -> String {
    let by = &conflict.claimed_by;
    let holder = holder(&by.engineer_name, by.agent.as_deref(), &by.holder);
    let work = by.feature_slug.as_ref().map_or(String::new(), |slug| format!(" for {slug}"));
    let until = time(by.expires_at) + &by.holder.renewal();
    if conflict.file_path == conflict.wanted_path {
        format!("- {} is held by {holder}{work} until {until}", conflict.wanted_path)
    } else {
        let (wanted, held) = (&conflict.wanted_path, &conflict.file_path);
        format!("- {wanted} meets {held}, held by {holder}{work} until {until}")
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

/// The next step for the agent.
fn advice(body: &ErrorBody) -> &'static str {
    match body.code {
        Code::FileAlreadyClaimed | Code::FeatureAlreadyClaimed => {
            "take other work (available, or pick without a slug); do not write to held files by other means"
        }
        Code::InvalidStatusTransition => "status and available show what can be done with which feature",
        Code::NotFound if body.details.as_ref().is_some_and(|details| details.get("blocked").is_some()) => {
            "wait for one of these to end, or ask for other work"
        }
        Code::NotFound => "status and available name the features that there are",
        Code::ValidationError => "call it again with what is missing or wrong put right",
        Code::Unauthorized | Code::InvalidApiKey => "an engineer has to give this server a valid API key",
        Code::Forbidden | Code::NotProjectMember | Code::InsufficientRole => {
            "an engineer has to grant this; it cannot be done from here"
        }
        Code::RateLimited => "wait a few seconds",
        Code::ServiceUnavailable => {
            "try again in a few seconds; if details say the outcome is unknown, look with status first"
        }
        _ => "tell an engineer what it says",
    }
}
