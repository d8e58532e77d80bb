//! The setting for `nexus exec`: it decides about the text in an agent's brief and the offer of `nexus install`.

use crate::config::{
    link::{self, Link},
    login::Login,
};
use serde_json::Value;
use std::env;

/// The processes that should run under `nexus exec`. A value that protects more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confinement {
    /// Nothing: neither the brief nor `nexus install` mentions it.
    Off,
    /// Single commands: the brief asks agents to run commands that write files of their own accord under it. No hook
    /// changes a command: most hosts would run the changed one without asking their user, and their rules would not
    /// match.
    Commands,
    /// The agent itself: `nexus install` prints how to start it so.
    Agent,
}

impl Confinement {
    /// `NEXUS_EXEC`, else the value of the repository's link or of the engineer's own settings that protects more, else
    /// `agent`. So a file that others put into a repository cannot make it weaker.
    pub(crate) fn here(login: &Login) -> Self {
        let link = link::find().ok().flatten().map(|found| found.link);
        let environment = env::var("NEXUS_EXEC").ok().filter(|text| !text.trim().is_empty());
        Self::find(environment.as_deref(), link.as_ref(), login)
    }

    fn find(environment: Option<&str>, link: Option<&Link>, login: &Login) -> Self {
        let said =
            |hooks: Option<&Value>| hooks.and_then(|hooks| Some(Self::of_word(hooks.get("exec")?.as_str()?)));
        let settings = [said(link.and_then(Link::hooks)), said(login.hooks())];
        let stricter = settings.into_iter().flatten().max().unwrap_or(Self::Agent);
        environment.map_or(stricter, Self::of_word)
    }

    fn of_word(word: &str) -> Self {
        match word.trim() {
            "off" => Self::Off,
            "commands" => Self::Commands,
            // A misspelt value counts as the one that protects most.
            _ => Self::Agent,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_settings_and_of_those_what_protects_more() {
        let link: Link = serde_json::from_str(
            r#"{"projectId":"00000000-0000-0000-0000-000000000001","hooks":{"exec":"commands"}}"#,
        )
        .unwrap();
        let login: Login = serde_json::from_str(r#"{"hooks":{"exec":"off"}}"#).unwrap();
        assert_eq!(Confinement::find(None, None, &Login::default()), Confinement::Agent);
        assert_eq!(Confinement::find(None, None, &login), Confinement::Off);
        assert_eq!(Confinement::find(None, Some(&link), &login), Confinement::Commands);
        assert_eq!(Confinement::find(Some("off"), Some(&link), &login), Confinement::Off);
        let all: Login = serde_json::from_str(r#"{"hooks":{"exec":"agent"}}"#).unwrap();
        assert_eq!(Confinement::find(None, Some(&link), &all), Confinement::Agent);
        assert_eq!(Confinement::find(None, Some(&link), &Login::default()), Confinement::Commands);
    }
}
