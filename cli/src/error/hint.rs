//! Hints for refusals: the next command to run.

use super::Refused;
use nexus_api_types::{Code, envelope::MissingResource};
use serde_json::Value;

/// The hint for users without an API key.
pub(super) const LOGIN: &str =
    "nexus login --register -n NAME -e EMAIL makes a key; nexus login --token KEY saves one that you have";

/// The hint for a refusal.
pub(super) fn of(refused: &Refused) -> String {
    let details = refused.body.details.as_ref();
    let detail = |name: &str| details.and_then(|details| details.get(name));
    let text = |name: &str| detail(name).and_then(Value::as_str).unwrap_or_default();
    let is_feature = refused.path.contains("/features");
    let hint = match refused.body.code {
        Code::ValidationError if detail("holder").is_some() => {
            "nexus status shows who works on what; --session or NEXUS_SESSION acts as another session of yours"
        }
        Code::ValidationError
            if refused.path.starts_with("/cluster/members")
                || matches!(refused.path.as_str(), "/cluster/leader" | "/cluster/plan") =>
        {
            "nexus cluster status shows the nodes as they are"
        }
        Code::ValidationError if detail("candidates").is_some() => {
            "name one of them by e-mail address or by id"
        }
        Code::ValidationError if detail("engineerId").is_some() => {
            "nexus people list shows whom you may see; nexus project add-member EMAIL takes anybody who is registered"
        }
        Code::ValidationError if refused.path.contains("/members/") => {
            "nexus project add-member EMAIL --role lead adds another lead"
        }
        Code::ValidationError
            if refused.path.ends_with("/keys") && refused.path.starts_with("/engineers") =>
        {
            "nexus keys create makes another key of yours"
        }
        Code::ValidationError if refused.path == "/cluster/settings" => {
            "nexus cluster settings shows the settings and their values"
        }
        Code::ValidationError => "the command's --help shows what it takes",
        Code::InvalidStatusTransition if detail("dependsOn").is_some() => {
            "nexus feature available shows what waits for nothing"
        }
        // Only drafts can be deleted as features; what is finished has a route of its own.
        Code::InvalidStatusTransition if is_feature && text("to") == "deleted" => {
            "nexus feature cancel SLUG gives it up and keeps its history"
        }
        Code::InvalidStatusTransition if text("from") == text("to") => {
            "nexus feature show SLUG shows where it stands"
        }
        Code::InvalidStatusTransition => transition(text("from")),
        Code::Unauthorized => LOGIN,
        Code::InvalidApiKey => {
            "nexus login --token KEY saves a valid one; NEXUS_TOKEN, where it is set, goes before it; an admin or a lead \
             gives a new one with nexus people reset-key EMAIL"
        }
        Code::Forbidden if refused.path == "/auth/register" => {
            "an admin can open registration; nexus login --token KEY saves a key that you have"
        }
        Code::Forbidden => "nexus whoami shows as whom, and as which session, you asked",
        Code::NotProjectMember => "nexus project list shows your projects; a lead of this one can add you",
        Code::InsufficientRole if refused.path.starts_with("/engineers") => {
            "ask an admin for it: nexus people list shows who is one"
        }
        Code::InsufficientRole => "nexus whoami shows your role; ask an admin, or a lead of the project",
        Code::NotFound if detail("blocked").is_some() => {
            "nexus status shows who works on what; nexus feature create adds work that is free of it"
        }
        Code::NotFound if refused.missing() == Some(MissingResource::Feature) => return no_feature(refused),
        Code::NotFound => missing(refused),
        Code::MethodNotAllowed => {
            "the server may be older than this nexus: compare nexus --version and nexus cluster status"
        }
        Code::AlreadyExists if text("field") == "email" => {
            "nexus login --token KEY logs in with the key that you got when you registered; if it is lost, an admin or a \
             lead of your project gives you a new one: nexus people reset-key EMAIL"
        }
        Code::AlreadyExists if refused.path.ends_with("/members") => {
            "nexus project members shows who is in it, and as what"
        }
        Code::AlreadyExists if is_feature => {
            "choose another slug; nexus feature list shows those that are taken"
        }
        Code::AlreadyExists => {
            "choose another slug; if it is your project, nexus project link SLUG links the repository to it"
        }
        Code::FileAlreadyClaimed => match detail("conflicts").and_then(Value::as_array).map(Vec::len) {
            Some(2..) => "nexus feature available shows what is free of them",
            _ => "nexus feature available shows what is free of it",
        },
        Code::FeatureAlreadyClaimed => {
            "nexus feature available shows what is free; nexus feature pick --next takes the best of it"
        }
        Code::StaleFence => {
            "somebody took it over: nexus feature show SLUG shows who; stop writing to its files"
        }
        Code::UnsupportedMediaType => {
            "nexus sends JSON: a proxy on the way to the server may have changed the request"
        }
        Code::PayloadTooLarge => {
            "a request may have 1 MiB: keep long texts in the repository and name them in the spec"
        }
        Code::IdempotencyKeyReused => "run the command again: it then counts as a new request",
        Code::RateLimited => "wait a moment, or let the command wait with a longer --timeout",
        Code::InternalError => {
            return format!(
                "the log of {} says more under request {}",
                refused.server, refused.body.request_id
            );
        }
        Code::ServiceUnavailable => "nexus cluster status shows which nodes are missing",
        Code::Unknown => {
            "the server is newer than this nexus, which does not know this refusal: an update may help"
        }
    };
    hint.to_owned()
}

/// A hint that names the feature that was probably meant, and how to list those of the same project.
fn no_feature(refused: &Refused) -> String {
    let project =
        refused.named_project.as_ref().map(|project| format!(" --project {project}")).unwrap_or_default();
    let list = format!("nexus{project} feature list shows those there are");
    match &refused.nearest {
        Some(slug) => format!("is {slug} meant? {list}"),
        None => list,
    }
}

/// A hint that lists the existing alternatives.
fn missing(refused: &Refused) -> &'static str {
    let path = refused.path.as_str();
    match refused.missing() {
        Some(MissingResource::Engineer) => {
            "nexus people list shows whom you may see; nexus people invite -n NAME -e EMAIL registers somebody"
        }
        Some(MissingResource::Member) => "nexus project members shows who is in it",
        Some(MissingResource::ApiKey) => "nexus keys list shows yours",
        Some(MissingResource::Session) => {
            "the session is over: leave out --session and NEXUS_SESSION, or start a new one"
        }
        _ if path.ends_with("/pick-next") => {
            "nexus feature list -s draft shows what may be made ready; nexus feature create adds work"
        }
        _ if path.contains("/features") => "nexus feature list shows those there are",
        _ if path.starts_with("/cluster") => "nexus cluster status lists the nodes",
        _ => "nexus project list shows your projects; nexus project link SLUG links the repository to one",
    }
}

/// The commands that lead on from a status.
fn transition(from: &str) -> &'static str {
    match from {
        "draft" => "nexus feature ready SLUG makes it free to be picked",
        "ready" => "nexus feature pick SLUG takes it first",
        "active" => "nexus feature release SLUG gives it back first; nexus feature done SLUG finishes it",
        "done" | "cancelled" => "it is over: nexus feature available shows what is free",
        _ => "nexus feature show SLUG shows where it stands",
    }
}
