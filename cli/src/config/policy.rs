//! The policy of hooks when no server answers.

use super::{link::Link, login::Login};
use serde_json::Value;
use std::env;

/// Whether a write is let through when no server answers. The stricter policy is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Policy {
    /// The file is written, and a journal remembers it.
    FailOpen,
    /// The file is not written.
    FailClosed,
}

impl Policy {
    /// `NEXUS_HOOK_POLICY`, else the stricter one of the repository's link and the engineer's own settings, else
    /// `fail-open`. So a file that others put into a repository cannot make the user's policy weaker. A link that
    /// cannot be read counts as one without a policy.
    pub(crate) fn find(link: Option<&Link>, login: Option<&Login>) -> Self {
        let environment = env::var("NEXUS_HOOK_POLICY").ok().filter(|text| !text.trim().is_empty());
        let said = |hooks: Option<&Value>| {
            hooks.and_then(|hooks| hooks.get("whenUnreachable")?.as_str().map(Self::of_word))
        };
        let settings = [said(link.and_then(Link::hooks)), said(login.and_then(Login::hooks))];
        let stricter = settings.into_iter().flatten().max().unwrap_or(Self::FailOpen);
        environment.map_or(stricter, |environment| Self::of_word(&environment))
    }

    /// Reads a policy. A misspelt value counts as `fail-closed`, since nobody sets the default by hand.
    fn of_word(word: &str) -> Self {
        if word.trim() == "fail-open" { Self::FailOpen } else { Self::FailClosed }
    }

    /// Its name in settings and messages.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::FailOpen => "fail-open",
            Self::FailClosed => "fail-closed",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_makes_it_stricter_and_never_laxer() {
        let link = |hooks: &str| -> Link {
            serde_json::from_str(&format!(r#"{{"projectId":"00000000-0000-0000-0000-000000000001"{hooks}}}"#))
                .unwrap()
        };
        let login: Login = serde_json::from_str(r#"{"hooks":{"whenUnreachable":"fail-closed"}}"#).unwrap();
        assert_eq!(Policy::find(Some(&link("")), None), Policy::FailOpen);
        assert_eq!(Policy::find(Some(&link("")), Some(&login)), Policy::FailClosed);
        let open = link(r#","hooks":{"whenUnreachable":"fail-open"}"#);
        assert_eq!(Policy::find(Some(&open), Some(&login)), Policy::FailClosed);
        assert_eq!(Policy::find(Some(&open), None), Policy::FailOpen);
        let closed = link(r#","hooks":{"whenUnreachable":"fail-closed"}"#);
        let lax: Login = serde_json::from_str(r#"{"hooks":{"whenUnreachable":"fail-open"}}"#).unwrap();
        assert_eq!(Policy::find(Some(&closed), Some(&lax)), Policy::FailClosed);
        assert_eq!(Policy::find(None, Some(&login)), Policy::FailClosed);
        assert_eq!(Policy::of_word("fail-close"), Policy::FailClosed);
    }
}
