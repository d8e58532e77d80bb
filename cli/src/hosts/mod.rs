//! Agent hosts: reads the events that they send to a hook, and writes the answers that they expect. It decides nothing and
//! sends no request.
//!
//! Each host has a file of its own, so that a changed convention is a small change.
//! - [`event`]: an event, the same for all hosts. [`verdict`]: the verdict on it, and the answer.
//! - [`claude`], [`codex`], [`cursor`], [`gemini`]: translate both from and to a host's own JSON.
//! - [`lenient`]: reads JSON that is not valid. [`input`]: reads fields that may be missing. [`patch`], [`shell`]: the
//!   files that a patch or a command writes.

mod claude;
mod codex;
mod cursor;
mod event;
mod gemini;
mod input;
pub(crate) mod lenient;
pub(crate) mod patch;
pub(crate) mod shell;
mod verdict;

pub(crate) use event::{EventKind, HookEvent, Tool};
pub(crate) use verdict::{Answer, Verdict};

use input::Input;
use serde_json::Value;

/// A program that runs an agent and calls hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Cursor, the editor and its agent.
    Cursor,
    /// Gemini CLI.
    Gemini,
}

impl Host {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Claude, Self::Codex, Self::Cursor, Self::Gemini];

    /// The word for it in commands and in the names of runs.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
        }
    }

    /// The host of a word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|host| host.word() == word)
    }

    /// Reads an event. One that is not known becomes [`EventKind::Unknown`].
    pub(crate) fn read(self, event: &str, input: &Value) -> HookEvent {
        let input = Input(input);
        match self {
            Self::Claude => claude::read(event, input),
            Self::Codex => codex::read(event, input),
            Self::Cursor => cursor::read(event, input),
            Self::Gemini => gemini::read(event, input),
        }
    }

    /// The answer that the host reads.
    pub(crate) fn answer(self, event: &HookEvent, verdict: &Verdict) -> Answer {
        match self {
            Self::Claude => claude::answer(event, verdict),
            Self::Codex => codex::answer(event, verdict),
            Self::Cursor => cursor::answer(event, verdict),
            Self::Gemini => gemini::answer(event, verdict),
        }
    }
}
