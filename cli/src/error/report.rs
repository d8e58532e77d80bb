//! The text of a failure for people, and its JSON for programs. Prints nothing itself.

use super::{Error, Unreachable, hint, refusal};
use crate::{
    profile::Profile,
    text::{Clock, plain},
};
use serde_json::{Value, json};

/// The text of a failure: what happened, to what, and what to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The sentence that says what happened, to what.
    pub(crate) message: String,
    /// Further details, one per line.
    pub(crate) lines: Vec<String>,
    /// The hint about the next step.
    pub(crate) hints: Vec<String>,
}

impl Report {
    /// A failure for people. Names of files, branches and projects are others' texts.
    pub(crate) fn new(error: &Error, clock: &Clock) -> Self {
        let Self { message, lines, hints } = Self::worded(error, clock);
        let plain_all = |texts: Vec<String>| texts.iter().map(|text| plain(text)).collect();
        Self { message: plain(&message), lines: plain_all(lines), hints: plain_all(hints) }
    }

    fn worded(error: &Error, clock: &Clock) -> Self {
        match error {
            Error::Refused(refused) => {
                let (message, lines) = refusal::message_and_lines(&refused.body, clock);
                Self { message, lines, hints: vec![hint::of(refused)] }
            }
            Error::NotLoggedIn => Self::not_logged_in(),
            Error::Unreachable(unreachable) => Self::unreachable(unreachable),
            Error::Misused(explained) | Error::Local(explained) => Self {
                message: explained.message.clone(),
                hints: explained.hint.clone().into_iter().collect(),
                ..Self::default()
            },
            Error::Found | Error::OutputClosed => Self { message: error.to_string(), ..Self::default() },
        }
    }

    /// A profile without a key is often a misspelt one.
    fn not_logged_in() -> Self {
        let mut hints = vec![hint::LOGIN.to_owned()];
        let (profile, others) = (Profile::current(), Profile::named());
        let message = match profile.name() {
            Some(name) => format!("{} under the profile {name}", Error::NotLoggedIn),
            None => Error::NotLoggedIn.to_string(),
        };
        let others: Vec<String> =
            others.into_iter().filter(|other| Some(other.as_str()) != profile.name()).collect();
        if !others.is_empty() {
            hints.push(format!("--profile NAME or NEXUS_PROFILE acts as another one: {}", others.join(", ")));
        } else if profile.name().is_some() {
            hints.push("without --profile and NEXUS_PROFILE, commands act under the default one".to_owned());
        }
        Self { message, lines: Vec::new(), hints }
    }

    fn unreachable(unreachable: &Unreachable) -> Self {
        let mut hints = Vec::new();
        if unreachable.may_be_applied {
            hints.push(
                "it may have been done all the same: look with nexus status before you repeat it".to_owned(),
            );
        }
        if unreachable.was_there {
            hints.push("without a majority of its nodes the cluster can do nothing: start those that are down, or wait with a longer --timeout".to_owned());
        } else if !unreachable.has_remedy {
            hints.push("is the cluster running? --server or NEXUS_SERVER names another one".to_owned());
        }
        if let [only] = unreachable.servers.as_slice() {
            let message = format!("{} could not do it: {}", only.server, only.reason);
            return Self { message, lines: Vec::new(), hints };
        }
        let width =
            unreachable.servers.iter().map(|one| one.server.to_string().len()).max().unwrap_or_default();
        let line =
            |one: &super::UnreachableServer| format!("{:width$}  {}", one.server.to_string(), one.reason);
        Self {
            message: "no server could do it".to_owned(),
            lines: unreachable.servers.iter().map(line).collect(),
            hints,
        }
    }
}

/// A failure for programs: the server's own error, or one of the same form.
pub(crate) fn as_json(error: &Error, clock: &Clock) -> Value {
    let report = Report::new(error, clock);
    let body = match error {
        Error::Refused(refused) => {
            json!({ "code": refused.body.code, "message": refused.body.message, "details": refused.body.details, "requestId": refused.body.request_id })
        }
        Error::Unreachable(unreachable) => {
            let servers: Vec<Value> = unreachable
                .servers
                .iter()
                .map(|one| json!({ "server": one.server.to_string(), "reason": one.reason }))
                .collect();
            let outcome = if unreachable.may_be_applied { "unknown" } else { "not_applied" };
            json!({ "code": "UNREACHABLE", "message": report.message, "details": { "servers": servers, "outcome": outcome } })
        }
        Error::NotLoggedIn => json!({ "code": "UNAUTHORIZED", "message": report.message }),
        Error::Misused(_) => json!({ "code": "MISUSED", "message": report.message }),
        Error::Local(_) | Error::Found | Error::OutputClosed => {
            json!({ "code": "FAILED", "message": report.message })
        }
    };
    let mut body = body;
    body["hints"] = json!(report.hints);
    json!({ "error": body })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        error::{Refused, UnreachableServer},
        server,
    };
    use nexus_api_types::ErrorBody;

    /// The output of `nexus`, with the clock at 14:28 in UTC.
    fn printed(error: &Error) -> String {
        let report = Report::new(error, &Clock::fixed("2026-01-31T14:28:00Z"));
        let lines = report.lines.iter().map(|line| format!("\n  {line}"));
        let hints = report.hints.iter().map(|hint| format!("\nHint: {hint}"));
        format!("Error: {}", report.message) + &lines.chain(hints).collect::<String>()
    }

    fn refused(path: &str, body: Value) -> Error {
        let body: ErrorBody = serde_json::from_value(body).unwrap();
        Error::Refused(Box::new(Refused {
            body,
            server: server::parse("a:1").unwrap(),
            path: path.to_owned(),
            nearest: None,
            named_project: None,
        }))
    }

    fn conflict(wanted: &str, held: &str, agent: Option<&str>, feature: Option<&str>, until: &str) -> Value {
        let id = "00000000-0000-0000-0000-000000000001";
        json!({ "filePath": held, "wantedPath": wanted, "claimedBy": {
            "engineerId": id, "engineerName": "ana", "sessionId": id, "agent": agent, "featureId": feature.map(|_| id),
            "featureSlug": feature, "claimedAt": "2026-01-31T14:02:00.000Z", "expiresAt": until } })
    }

    fn conflicts(list: &[Value]) -> Error {
        refused(
            "/projects/1/features/invoices/pick",
            json!({ "code": "FILE_ALREADY_CLAIMED", "requestId": "r",
            "message": "file conflicts with ana", "details": { "conflicts": list } }),
        )
    }

    #[test]
    fn a_held_file_is_reported_with_its_holder_and_a_hint() {
        let error = conflicts(&[conflict(
            "src/db.rs",
            "src/db.rs",
            Some("build"),
            Some("billing-api"),
            "2026-01-31T14:32:00.000Z",
        )]);
        assert_eq!(
            printed(&error),
            "\
Error: src/db.rs is held by ana's agent \"build\" for feature billing-api, since 14:02, until 14:32 (in 4 min)
Hint: nexus feature available shows what is free of it"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn several_held_files_are_listed() {
        let error = conflicts(&[
            conflict("src/db.rs", "src/**", None, None, "2026-02-01T00:30:00.000Z"),
            conflict("docs/a.md", "docs/a.md", Some("build"), Some("docs"), "2026-01-31T14:27:00.000Z"),
        ]);
        assert_eq!(
            printed(&error),
            "\
Error: 2 of the files are held by others
  src/db.rs is held by ana as src/**, since 14:02, until Feb 1 00:30 (in 10 h)
  docs/a.md is held by ana's agent \"build\" for feature docs, since 14:02, until 14:27 (any moment now)
Hint: nexus feature available shows what is free of them"
        );
    }

    #[test]
    fn conflicts_in_a_form_that_is_not_known_keep_the_servers_words() {
        let error = refused(
            "/x",
            json!({ "code": "FILE_ALREADY_CLAIMED", "requestId": "r", "message": "file conflicts with ana" }),
        );
        assert!(printed(&error).starts_with("Error: file conflicts with ana\nHint: "));
    }

    #[test]
    fn a_feature_that_somebody_works_on_names_them() {
        let error = refused(
            "/projects/1/features/invoices/pick",
            json!({ "code": "FEATURE_ALREADY_CLAIMED", "requestId": "r",
            "message": "feature invoices is held by ana's agent \"build\"", "details": { "holder": {} } }),
        );
        assert_eq!(
            printed(&error),
            "\
Error: feature invoices is held by ana's agent \"build\"
Hint: nexus feature available shows what is free; nexus feature pick --next takes the best of it"
        );
    }

    #[test]
    fn nothing_to_pick_lists_what_blocks_the_rest() {
        let error = refused(
            "/projects/1/features/pick-next",
            json!({ "code": "NOT_FOUND", "requestId": "r",
            "message": "no feature is free to pick: all 2 that are ready are blocked", "details": { "blocked": [
                { "featureSlug": "invoices", "blockedBy": { "engineerName": "ana", "agent": "build", "filePath": "src/db.rs",
                    "featureSlug": "billing-api", "expiresAt": "2026-01-31T14:32:00.000Z" } },
                { "featureSlug": "reports", "blockedBy": { "dependsOn": ["invoices", "taxes"] } } ] } }),
        );
        assert_eq!(
            printed(&error),
            "\
Error: no feature is free to pick: all 2 that are ready are blocked
  invoices: src/db.rs is held by ana's agent \"build\" for feature billing-api, until 14:32 (in 4 min)
  reports: waits for invoices, taxes
Hint: nexus status shows who works on what; nexus feature create adds work that is free of it"
        );
    }

    #[test]
    fn what_does_not_exist_leads_to_what_does() {
        for (resource, path, hint) in [
            ("engineer", "/projects/1/members", "nexus people list"),
            ("member", "/projects/1/members/2", "nexus project members"),
            ("apiKey", "/auth/keys/1", "nexus keys list"),
            ("session", "/projects/1/features/invoices/pick", "the session is over"),
            ("feature", "/projects/1/claims", "nexus feature list"),
            ("project", "/projects/1", "nexus project list"),
            ("node", "/cluster/members/7", "nexus cluster status"),
            ("somethingNew", "/projects/1", "nexus project list"),
        ] {
            let error = refused(
                path,
                json!({ "code": "NOT_FOUND", "requestId": "r", "message": "none", "details": { "resource": resource } }),
            );
            let printed = printed(&error);
            assert!(printed.starts_with(&format!("Error: none\nHint: {hint}")), "{resource}: {printed}");
        }
    }

    #[test]
    fn a_feature_that_cannot_be_deleted_is_cancelled_unless_it_was_said_to_be_finished() {
        let details = json!({ "from": "ready", "to": "deleted" });
        let body = json!({ "code": "INVALID_STATUS_TRANSITION", "requestId": "r", "message": "no", "details": details });
        let hint = |path| printed(&refused(path, body.clone()));
        assert!(hint("/projects/1/features/invoices").contains("nexus feature cancel"));
        assert!(hint("/projects/1/finished/invoices").contains("nexus feature pick"));
    }

    #[test]
    fn every_invalid_field_is_reported() {
        let error = refused(
            "/projects/1/features",
            json!({ "code": "VALIDATION_ERROR", "requestId": "r",
            "message": "slug: too long (and 1 more)", "details": { "slug": ["too long"], "touches": ["[0] must be relative"] } }),
        );
        assert_eq!(
            printed(&error),
            "\
Error: slug: too long (and 1 more)
  slug: too long
  touches: [0] must be relative
Hint: the command's --help shows what it takes"
        );
    }

    #[test]
    fn a_wrong_key_leads_to_login() {
        let error = refused(
            "/auth/me",
            json!({ "code": "INVALID_API_KEY", "requestId": "r", "message": "the API key is unknown" }),
        );
        assert_eq!(
            printed(&error),
            "\
Error: the API key is unknown
Hint: nexus login --token KEY saves a valid one; NEXUS_TOKEN, where it is set, goes before it; an admin or a \
             lead gives a new one with nexus people reset-key EMAIL"
        );
        assert!(printed(&Error::NotLoggedIn).contains("nexus login --register"));
    }

    #[test]
    fn every_code_says_what_to_do() {
        for code in [
            "VALIDATION_ERROR",
            "INVALID_STATUS_TRANSITION",
            "UNAUTHORIZED",
            "INVALID_API_KEY",
            "FORBIDDEN",
            "NOT_PROJECT_MEMBER",
            "INSUFFICIENT_ROLE",
            "NOT_FOUND",
            "METHOD_NOT_ALLOWED",
            "ALREADY_EXISTS",
            "FILE_ALREADY_CLAIMED",
            "FEATURE_ALREADY_CLAIMED",
            "STALE_FENCE",
            "PAYLOAD_TOO_LARGE",
            "IDEMPOTENCY_KEY_REUSED",
            "RATE_LIMITED",
            "INTERNAL_ERROR",
            "SERVICE_UNAVAILABLE",
            "SOMETHING_NEW",
        ] {
            let error =
                refused("/projects/1/features/f", json!({ "code": code, "requestId": "r", "message": "no" }));
            assert!(printed(&error).contains("\nHint: "), "{code}: {}", printed(&error));
        }
    }

    #[test]
    fn nobody_there_names_every_server() {
        let one = |server: &str, reason: &str| UnreachableServer {
            server: server::parse(server).unwrap(),
            reason: reason.to_owned(),
        };
        let servers = vec![one("a:1", "connection refused"), one("long-name:2", "no leader")];
        let error = Error::Unreachable(Box::new(Unreachable {
            servers,
            may_be_applied: true,
            was_there: true,
            has_remedy: false,
        }));
        assert_eq!(printed(&error), "\
Error: no server could do it
  http://a:1          connection refused
  http://long-name:2  no leader
Hint: it may have been done all the same: look with nexus status before you repeat it
Hint: without a majority of its nodes the cluster can do nothing: start those that are down, or wait with a longer --timeout");
        assert_eq!(error.exit_code(), 3);
        let value = as_json(&error, &Clock::fixed("2026-01-31T14:28:00Z"));
        assert_eq!(value["error"]["details"]["servers"][0]["reason"], "connection refused");
        assert_eq!(value["error"]["details"]["outcome"], "unknown");
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let error =
            refused("/x", json!({ "code": "NOT_FOUND", "requestId": "r", "message": "no \u{1b}[2Jfeature" }));
        assert!(!printed(&error).contains('\u{1b}'));
    }
}
