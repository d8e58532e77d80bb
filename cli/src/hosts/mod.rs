//! Agent hosts: reads the events that they send to a hook, writes the answers that they expect, and plans what their
//! settings need. It decides nothing and sends no request.
//!
//! Each host has a file of its own, so that a changed convention is a small change, and a line in [`HOSTS`]. Whatever
//! goes over hosts goes over that list: arguments and their help, detection, installation, hooks, runs and `nexus
//! doctor`.
//! - [`agent_host`]: the type of a host. [`claude`], [`codex`], [`cursor`], [`gemini`]: the hosts.
//! - [`event`]: an event, the same for all hosts. [`verdict`]: the verdict on it, and the answer.
//! - [`lenient`]: reads JSON that is not valid. [`input`]: reads fields that may be missing. [`patch`], [`shell`]: the
//!   files that a patch or a command writes.
//! - [`claude_plugin`]: the plugin folder for Claude Code. `fuzzing`: the fuzz targets of events and commands.

mod agent_host;
mod claude;
mod claude_plugin;
mod codex;
mod cursor;
mod event;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gemini;
mod input;
pub(crate) mod lenient;
pub(crate) mod patch;
pub(crate) mod shell;
#[cfg(test)]
mod tests;
mod verdict;

pub(crate) use agent_host::{AgentHost, on_path};
pub(crate) use claude_plugin::claude_plugin;
pub(crate) use event::{EventKind, HookEvent, Tool};
pub(crate) use input::Input;
pub(crate) use verdict::{HookAnswer, Verdict};

/// All agent hosts, in the order in which they are listed and looked for.
pub(crate) static HOSTS: &[&AgentHost] = &[&claude::CLAUDE, &codex::CODEX, &cursor::CURSOR, &gemini::GEMINI];
