//! The verdict on an event, and the answer that a host reads.

use serde_json::Value;

/// The verdict on an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The host goes on as if there were no hook.
    Silent,
    /// A text that the agent gets. It allows nothing: the host asks its user as it would without it.
    Inform(String),
    /// A refusal with its reason. Before a tool call, it prevents the call; after one, the agent gets the reason. An
    /// agent that wants to stop has to go on.
    Refuse(String),
}

impl Verdict {
    /// The same verdict with one more text.
    pub(crate) fn with(self, more: &str) -> Self {
        match self {
            Self::Silent => Self::Inform(more.to_owned()),
            Self::Inform(text) => Self::Inform(format!("{text}\n{more}")),
            Self::Refuse(text) => Self::Refuse(format!("{text}\n{more}")),
        }
    }
}

/// The answer that a host reads: two streams and an exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HookAnswer {
    /// JSON for the host itself.
    pub(crate) stdout: Option<Value>,
    /// Text that the agent gets if the exit code is 2.
    pub(crate) stderr: Option<String>,
    /// The exit code: 2 refuses, in every host.
    pub(crate) code: u8,
}

/// Hosts read this code as a refusal, whatever they make of the JSON.
const BLOCKED: u8 = 2;

impl HookAnswer {
    /// No output and exit code 0: the host goes on as if there were no hook.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    /// JSON with exit code 0: the host goes on.
    pub(super) fn json(stdout: Value) -> Self {
        Self { stdout: Some(stdout), ..Self::default() }
    }

    /// A refusal by JSON and by exit code: some versions of some hosts overlook one of the two.
    pub(super) fn blocked(stdout: Value, reason: &str) -> Self {
        Self { stdout: Some(stdout), stderr: Some(reason.to_owned()), code: BLOCKED }
    }
}
