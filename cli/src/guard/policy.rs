//! What goes when nobody can say whose a file is.

use crate::config::{link::Link, login::Login};
use serde_json::Value;
use std::env;

/// What goes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The file is written, and a journal remembers it.
    FailOpen,
    /// The file is not written.
    FailClosed,
}

impl Policy {
    /// `NEXUS_HOOK_POLICY`, else what the repository says, else what the engineer's own settings say, else
    /// `fail-open`. A link that cannot be read says nothing.
    pub(crate) fn find(link: Option<&Link>, login: Option<&Login>) -> Self {
        let environment = env::var("NEXUS_HOOK_POLICY").ok().filter(|text| !text.trim().is_empty());
        let text = |hooks: Option<&Value>| {
            hooks.and_then(|hooks| hooks.get("whenUnreachable")?.as_str().map(str::to_owned))
        };
        let said = environment
            .or_else(|| text(link.and_then(Link::hooks)))
            .or_else(|| text(login.and_then(Login::hooks)));
        said.map_or(Self::FailOpen, |said| Self::of_word(&said))
    }

    /// Whoever sets a policy and mistypes it meant the one that is not the default.
    fn of_word(word: &str) -> Self {
        if word.trim() == "fail-open" { Self::FailOpen } else { Self::FailClosed }
    }

    /// Its name.
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
    fn the_repository_goes_before_the_engineer() {
        let link = |hooks: &str| -> Link {
            serde_json::from_str(&format!(r#"{{"projectId":"00000000-0000-0000-0000-000000000001"{hooks}}}"#))
                .unwrap()
        };
        let login: Login = serde_json::from_str(r#"{"hooks":{"whenUnreachable":"fail-closed"}}"#).unwrap();
        assert_eq!(Policy::find(Some(&link("")), None), Policy::FailOpen);
        assert_eq!(Policy::find(Some(&link("")), Some(&login)), Policy::FailClosed);
        let open = link(r#","hooks":{"whenUnreachable":"fail-open"}"#);
        assert_eq!(Policy::find(Some(&open), Some(&login)), Policy::FailOpen);
        assert_eq!(Policy::find(None, Some(&login)), Policy::FailClosed);
        assert_eq!(Policy::of_word("fail-close"), Policy::FailClosed);
    }
}
