//! The key that identifies a run: `claude:1f3a…`, `terminal:1234-5678`, `session:<id>`. It names no session of the
//! cluster, since a run outlives its sessions.

use super::Process;
use std::fmt::{self, Display};
use uuid::Uuid;

/// The longest kind and id together, in characters. Hosts' session ids are UUIDs, or a little longer.
const MAX_ID: usize = 128;

/// The kind of a run in a terminal, in which a person works.
pub(crate) const TERMINAL: &str = "terminal";

/// Identifies a run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunKey {
    /// `claude`, `codex`, `terminal`…
    kind: String,
    /// Tells the runs of one kind apart.
    id: String,
}

impl RunKey {
    /// The run that an agent host knows by this session id of its own. It is `None` if the id cannot be a file's name.
    pub(crate) fn of_host(host: &str, session: &str) -> Option<Self> {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let fits = is_word(host) && is_word(session) && host.len() + session.len() <= MAX_ID;
        fits.then(|| Self { kind: host.to_owned(), id: session.to_owned() })
    }

    /// The run that lives in a process and has no other name.
    pub(crate) fn of_process(kind: &str, process: Process) -> Self {
        Self { kind: kind.to_owned(), id: format!("{}-{}", process.pid, process.started) }
    }

    /// The run that was started by hand with this session.
    pub(crate) fn of_session(session: Uuid) -> Self {
        Self { kind: "session".to_owned(), id: session.to_string() }
    }

    /// Reads a key as it is written: `claude:1f3a…`; `None` if it is not of that form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, id) = text.split_once(':')?;
        Self::of_host(host, id)
    }

    /// The kind of run, with which the name of its agent begins.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether the run belongs to a host or a process on this machine. A session or an engineer may be anywhere.
    pub(crate) fn is_of_host(&self) -> bool {
        !matches!(self.kind.as_str(), "session" | "engineer")
    }

    /// Whether it is an agent's run; in a terminal works a person.
    #[cfg(target_os = "linux")]
    pub(super) fn is_of_agent(&self) -> bool {
        self.is_of_host() && self.kind != TERMINAL
    }

    /// The name of the folder in which its records are stored.
    pub(super) fn folder_name(&self) -> String {
        // A colon is not allowed everywhere; `~` is in no host's name or id.
        format!("{}~{}", self.kind, self.id)
    }

    /// Reads the name of a folder; none where it is not the folder of a run.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        let (kind, id) = name.split_once('~')?;
        Self::of_host(kind, id)
    }
}

impl Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_as_it_is_read() {
        let key = RunKey::parse("claude:1f3a0b1c-aaaa-4bbb-8ccc-1234567890ab").expect("it is one");
        assert_eq!(RunKey::parse(&key.to_string()), Some(key.clone()));
        assert_eq!(RunKey::of_folder(&key.folder_name()), Some(key));
    }

    #[test]
    fn a_key_cannot_lead_out_of_its_folder() {
        for text in ["claude:../../x", "claude:", ":x", "claude", "a/b:c", "claude:x~y", "claude:a b"] {
            assert_eq!(RunKey::parse(text), None, "{text}");
        }
    }
}
