//! An event of an agent, in terms that all hosts share.

use std::path::PathBuf;

/// An event that a host sends to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookEvent {
    /// The kind of the event.
    pub(crate) kind: EventKind,
    /// The event's name on the command line, such as `pre-tool-use`.
    pub(crate) name: String,
    /// The name of the host whose run it is. Some hosts call the hooks of others.
    pub(crate) host: &'static str,
    /// The host's own id of this run.
    pub(crate) session: Option<String>,
    /// The folder that the agent works in.
    pub(crate) folder: Option<PathBuf>,
    /// The tool that is or was used.
    pub(crate) tool: Tool,
    /// The host's id of this tool call.
    pub(crate) call: Option<String>,
    /// Whether the agent has not stopped yet only because a hook refused it.
    pub(crate) is_again: bool,
    /// Whether a run that starts continues an earlier one, maybe under another id: its host cleared the conversation,
    /// or resumed or branched off an earlier one.
    pub(crate) is_continuation: bool,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A run starts, is resumed or cleared.
    SessionStart,
    /// A tool is about to be used.
    BeforeTool,
    /// A tool was used.
    AfterTool,
    /// The context of the agent is about to be compacted.
    BeforeCompact,
    /// The agent is about to stop, since it is done.
    Stop,
    /// A subagent of it is done.
    SubagentStop,
    /// A run is over.
    SessionEnd,
    /// Another event, which needs no verdict.
    Unknown,
}

impl EventKind {
    /// The kind of an event by Claude's name for it, which several hosts took over. Its spelling may vary.
    pub(super) fn of_name(name: &str) -> Self {
        match folded(name).as_str() {
            "sessionstart" => Self::SessionStart,
            "pretooluse" => Self::BeforeTool,
            // A tool that failed may have written before it did.
            "posttooluse" | "posttoolusefailure" => Self::AfterTool,
            "precompact" => Self::BeforeCompact,
            "stop" => Self::Stop,
            "subagentstop" => Self::SubagentStop,
            "sessionend" => Self::SessionEnd,
            _ => Self::Unknown,
        }
    }
}

/// The name without its spelling: `pre-tool-use`, `preToolUse` and `PreToolUse` are one name.
pub(super) fn folded(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A tool, as far as it matters for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// A tool that writes these files. Relative paths are below the folder of the agent.
    Edit(Vec<PathBuf>),
    /// A tool that runs a command in a shell.
    Shell {
        /// The text that the shell runs.
        command: String,
        /// The folder that it runs in, if it is not the agent's.
        folder: Option<PathBuf>,
    },
    /// Another tool, or none.
    Other,
    /// A tool whose files cannot be read from the event, with the reason.
    Unreadable(&'static str),
}

impl Tool {
    /// A tool that writes these files, if all of their names can be read.
    pub(super) fn edit(paths: Vec<PathBuf>) -> Self {
        let is_mended = |path: &PathBuf| path.to_string_lossy().contains(char::REPLACEMENT_CHARACTER);
        if paths.is_empty() {
            Self::Unreadable("it names no file")
        } else if paths.iter().any(is_mended) {
            Self::Unreadable("the name of a file has characters that cannot be read")
        } else {
            Self::Edit(paths)
        }
    }

    /// The tool of an event that does not name it.
    pub(super) const fn nameless() -> Self {
        Self::Unreadable("it is no JSON that names a tool")
    }
}
