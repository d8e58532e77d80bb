//! What is to run under `nexus exec`: what agents are told, and what `nexus install` offers.

use crate::config::{
    link::{self, Link},
    login::Login,
};
use serde_json::Value;
use std::env;

/// What is to run under `nexus exec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confinement {
    /// Nothing: nobody is told of it.
    Off,
    /// Single commands: agents are told to put it in front of those that write files of their own accord. No hook changes
    /// a command: most hosts run a changed one without asking their user, and their rules would not know it.
    Commands,
    /// The agent itself: `nexus install` says how it is started so.
    Agent,
}

impl Confinement {
    /// `NEXUS_EXEC`, else what the repository says, else what the engineer's own settings say, else `agent`.
    pub(crate) fn here(login: &Login) -> Self {
        let link = link::find().ok().flatten().map(|found| found.link);
        let environment = env::var("NEXUS_EXEC").ok().filter(|text| !text.trim().is_empty());
        Self::find(environment.as_deref(), link.as_ref(), login)
    }

    fn find(environment: Option<&str>, link: Option<&Link>, login: &Login) -> Self {
        let word =
            |hooks: Option<&Value>| hooks.and_then(|hooks| Some(hooks.get("exec")?.as_str()?.to_owned()));
        let said = environment.map(str::to_owned);
        let said = said.or_else(|| word(link.and_then(Link::hooks))).or_else(|| word(login.hooks()));
        match said.as_deref().map(str::trim) {
            Some("off") => Self::Off,
            Some("commands") => Self::Commands,
            // Whoever mistypes it is told of what protects most.
            _ => Self::Agent,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_repository_and_that_before_the_engineer() {
        let link: Link = serde_json::from_str(
            r#"{"projectId":"00000000-0000-0000-0000-000000000001","hooks":{"exec":"commands"}}"#,
        )
        .unwrap();
        let login: Login = serde_json::from_str(r#"{"hooks":{"exec":"off"}}"#).unwrap();
        assert_eq!(Confinement::find(None, None, &Login::default()), Confinement::Agent);
        assert_eq!(Confinement::find(None, None, &login), Confinement::Off);
        assert_eq!(Confinement::find(None, Some(&link), &login), Confinement::Commands);
        assert_eq!(Confinement::find(Some("agent"), Some(&link), &login), Confinement::Agent);
    }
}
