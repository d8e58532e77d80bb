//! The policy of `nexus verify` for commits without a receipt.

use super::{link::Link, login::Login};
use serde_json::Value;
use std::env;

/// The policy for commits whose receipts do not cover what they change. The stricter one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ReceiptPolicy {
    /// Receipts are not looked at.
    Off,
    /// Commits that changed held files without a receipt are named.
    Warn,
    /// Each file that a commit changes needs a receipt.
    Require,
}

impl ReceiptPolicy {
    /// `NEXUS_RECEIPTS`, else the stricter one of the repository's link and the engineer's own settings, else `warn`.
    pub(crate) fn find(link: &Link, login: &Login) -> Self {
        let environment = env::var("NEXUS_RECEIPTS").ok().filter(|text| !text.trim().is_empty());
        let said = |hooks: Option<&Value>| {
            hooks.and_then(|hooks| hooks.get("receipts")?.as_str().map(Self::of_word))
        };
        let stricter = [said(link.hooks()), said(login.hooks())].into_iter().flatten().max();
        environment.map_or(stricter.unwrap_or(Self::Warn), |environment| Self::of_word(&environment))
    }

    /// Reads a policy. A misspelt value counts as `require`, since nobody sets the default by hand.
    fn of_word(word: &str) -> Self {
        match word.trim() {
            "off" => Self::Off,
            "warn" => Self::Warn,
            _ => Self::Require,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_setting_counts_and_a_misspelt_one_is_strict() {
        let link = |hooks: &str| -> Link {
            serde_json::from_str(&format!(r#"{{"projectId":"00000000-0000-0000-0000-000000000001"{hooks}}}"#))
                .unwrap()
        };
        let login = |text: &str| -> Login { serde_json::from_str(text).unwrap() };
        let off = login(r#"{"hooks":{"receipts":"off"}}"#);
        assert_eq!(ReceiptPolicy::find(&link(""), &login("{}")), ReceiptPolicy::Warn);
        assert_eq!(ReceiptPolicy::find(&link(""), &off), ReceiptPolicy::Off);
        let require = link(r#","hooks":{"receipts":"require"}"#);
        assert_eq!(ReceiptPolicy::find(&require, &off), ReceiptPolicy::Require);
        assert_eq!(
            ReceiptPolicy::find(&link(r#","hooks":{"receipts":"requried"}"#), &off),
            ReceiptPolicy::Require
        );
    }
}
