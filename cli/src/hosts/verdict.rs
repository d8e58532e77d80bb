//! What is said about an event, and what a host reads of it.

use serde_json::Value;

/// What is said about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: the host goes on as if there were no hook.
    Silent,
    /// Something that the agent should know. Nothing is allowed by it that the host would ask about.
    Inform(String),
    /// No, and why. Before a tool it is not used, after one the agent is told, and who wants to stop goes on.
    Refuse(String),
}

impl Verdict {
    /// The same, and something more to know.
    pub(crate) fn with(self, more: &str) -> Self {
        match self {
            Self::Silent => Self::Inform(more.to_owned()),
            Self::Inform(text) => Self::Inform(format!("{text}\n{more}")),
            Self::Refuse(text) => Self::Refuse(format!("{text}\n{more}")),
        }
    }
}

/// What a host reads: the two streams and the exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// For its program.
    pub(crate) stdout: Option<Value>,
    /// For its agent, where the exit code says so.
    pub(crate) stderr: Option<String>,
    /// 2 blocks, everywhere.
    pub(crate) code: u8,
}

/// Hosts read this code as a refusal, whatever they make of the JSON.
const BLOCKED: u8 = 2;

impl Answer {
    /// No output and exit code 0: the host goes on as if there were no hook.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    /// A word, and the host goes on.
    pub(super) fn json(stdout: Value) -> Self {
        Self { stdout: Some(stdout), ..Self::default() }
    }

    /// A refusal, said in both ways: each is reported to be overlooked by some version of some host.
    pub(super) fn blocked(stdout: Value, reason: &str) -> Self {
        Self { stdout: Some(stdout), stderr: Some(reason.to_owned()), code: BLOCKED }
    }
}
