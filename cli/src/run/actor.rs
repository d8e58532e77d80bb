//! Which run a command belongs to: the one that is named, else the one that lives in whichever process
//! started the command, else the terminal's. Asks no server.

use super::{Key, Process, Records, process::Processes};
use crate::error::Error;
use uuid::Uuid;

/// What names the engineer: nobody's session.
const NOBODY: &str = "none";

/// Agents that are known by the names of their programs, where no hook has said which run it is.
const HOSTS: [&str; 4] = ["claude", "codex", "cursor-agent", "gemini"];

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A session that somebody else looks after.
    Session(Uuid),
    /// A run, whose session is found or made.
    Run {
        /// Which.
        key: Key,
        /// The process that it lives in, where that is known.
        owner: Option<Process>,
    },
    /// The engineer, in the default session: no terminal and no agent is to be seen.
    Engineer,
}

impl Actor {
    /// The run, or the session, that was named.
    ///
    /// # Errors
    /// When the text names neither.
    pub(crate) fn named(text: &str, records: &Records) -> Result<Self, Error> {
        if text == NOBODY {
            return Ok(Self::Engineer);
        }
        if let Ok(id) = text.parse() {
            let key = Key::of_session(id);
            return Ok(if records.folder_of(&key).exists() {
                Self::Run { key, owner: None }
            } else {
                Self::Session(id)
            });
        }
        let key = Key::parse(text).ok_or_else(|| {
            Error::misused(format!("{text:?} is no session's id")).hint(
                "a session's id is a UUID, as nexus status --json lists them; an agent's own is HOST:ID, as in claude:1f3a…",
            )
        })?;
        Ok(Self::Run { key, owner: None })
    }

    /// The run that this command was started in.
    pub(crate) fn here(records: &Records) -> Self {
        let mut processes = Processes::default();
        let ancestors = processes.ancestors();
        let line: Vec<Process> = ancestors.iter().map(|ancestor| ancestor.process).collect();
        if let Some(key) = records.living_in(&line) {
            return Self::Run { key, owner: None };
        }
        for ancestor in &ancestors {
            if let Some(host) = HOSTS.iter().find(|host| ancestor.is_called(host)) {
                let key = Key::of_process(host, ancestor.process);
                return Self::Run { key, owner: Some(ancestor.process) };
            }
        }
        match processes.terminal() {
            Some(leader) => Self::Run { key: Key::of_process("terminal", leader), owner: Some(leader) },
            None => Self::Engineer,
        }
    }

    /// The run that an agent host says it is, from a command that the host itself started.
    pub(crate) fn of_host(host: &str, session: &str) -> Option<Self> {
        let key = Key::of_host(host, session)?;
        let ancestors = Processes::default().ancestors();
        let owner = ancestors.iter().find(|ancestor| !ancestor.is_shell()).map(|ancestor| ancestor.process);
        Some(Self::Run { key, owner })
    }
}
