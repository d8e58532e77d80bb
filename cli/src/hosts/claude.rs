//! Claude Code. Its answers name the event in its own spelling; a denial is said in JSON and by exit code 2.

use super::{Answer, EventKind, HookEvent, Host, Input, Tool, Verdict, event::folded, patch};
use serde_json::{Value, json};

/// The event after a tool that failed, as a command that ends with an error: then there is no other one.
const FAILED: &str = "posttoolusefailure";

pub(super) fn read(event: &str, input: Input<'_>) -> HookEvent {
    // Cursor calls the hooks of Claude as well: it is one run all the same, and Cursor's.
    let is_cursor = input.text(&["cursor_version", "conversation_id"]).is_some();
    let host = if is_cursor { Host::Cursor } else { Host::Claude };
    shared(host, event, input)
}

/// Also what Codex sends, which took the form over.
pub(super) fn shared(host: Host, event: &str, input: Input<'_>) -> HookEvent {
    let arguments = input.inner("tool_input");
    let session = if host == Host::Cursor { ["conversation_id", "session_id"] } else { ["session_id"; 2] };
    HookEvent {
        kind: EventKind::of_name(event),
        name: event.to_owned(),
        host,
        session: input.owned(&session),
        folder: input.path(&["cwd"]).or_else(|| input.first_of("workspace_roots")),
        tool: input.text(&["tool_name"]).map_or_else(Tool::nameless, |name| tool(name, Input(&arguments))),
        call: input.owned(&["tool_use_id"]),
        is_again: input.is_true("stop_hook_active"),
        is_continuation: input.is_continuation(),
    }
}

/// The tool by its name and its arguments.
pub(super) fn tool(name: &str, arguments: Input<'_>) -> Tool {
    match name {
        "Edit" | "Write" | "MultiEdit" | "NotebookEdit" | "StrReplace" | "Delete" | "EditNotebook" => {
            arguments.edit(&["file_path", "notebook_path", "target_notebook", "path"])
        }
        "Bash" | "Shell" | "PowerShell" | "shell" | "local_shell" | "exec_command" => {
            arguments.shell(&["command", "cmd"], &["working_directory", "workdir"])
        }
        "apply_patch" | "ApplyPatch" => {
            let body = arguments.text(&["command", "patch", "input"]).unwrap_or_default();
            patch::paths(body).map_or(Tool::Unreadable("its patch names too many files"), Tool::edit)
        }
        _ => Tool::Other,
    }
}

pub(super) fn answer(event: &HookEvent, verdict: &Verdict) -> Answer {
    use EventKind::{AfterTool, BeforeTool, SessionStart, Stop, SubagentStop};
    match (event.kind, verdict) {
        (_, Verdict::Silent) => Answer::nothing(),
        (BeforeTool, Verdict::Refuse(reason)) => {
            let denied = json!({ "hookEventName": "PreToolUse", "permissionDecision": "deny",
                "permissionDecisionReason": reason });
            Answer::blocked(json!({ "hookSpecificOutput": denied }), reason)
        }
        // After a tool that failed there is no decision; additional context must name its own event.
        (AfterTool, Verdict::Inform(text) | Verdict::Refuse(text)) if folded(&event.name) == FAILED => {
            additional_context("PostToolUseFailure", text)
        }
        (AfterTool | Stop | SubagentStop, Verdict::Refuse(reason)) => {
            Answer::json(json!({ "decision": "block", "reason": reason }))
        }
        // Without a decision: `allow` would keep the host from asking its user.
        (BeforeTool, Verdict::Inform(text)) => additional_context("PreToolUse", text),
        (AfterTool, Verdict::Inform(text)) => additional_context("PostToolUse", text),
        (SessionStart, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            additional_context("SessionStart", text)
        }
        // The rest reaches a person only.
        (_, Verdict::Inform(text) | Verdict::Refuse(text)) => Answer::json(json!({ "systemMessage": text })),
    }
}

fn additional_context(event: &str, text: &str) -> Answer {
    let context: Value = json!({ "hookEventName": event, "additionalContext": text });
    Answer::json(json!({ "hookSpecificOutput": context }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn event(name: &str, input: Value) -> HookEvent {
        Host::Claude.read(name, &input)
    }

    fn before(tool: &str, arguments: Value) -> HookEvent {
        let input = json!({ "session_id": "1f3a2b4c-0000-4000-8000-000000000001", "transcript_path": "/t.jsonl", "cwd": "/repo/app",
            "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": arguments,
            "tool_use_id": "toolu_01" });
        event("pre-tool-use", input)
    }

    #[test]
    fn each_tool_that_edits_names_its_file() {
        for (tool, arguments) in [
            ("Edit", json!({ "file_path": "/repo/app/src/db.rs", "old_string": "a", "new_string": "b" })),
            ("Write", json!({ "file_path": "/repo/app/src/db.rs", "content": "x" })),
            ("MultiEdit", json!({ "file_path": "/repo/app/src/db.rs", "edits": [] })),
            ("NotebookEdit", json!({ "notebook_path": "/repo/app/src/db.rs", "new_source": "x" })),
        ] {
            let read = before(tool, arguments);
            assert_eq!(read.kind, EventKind::BeforeTool);
            assert_eq!(read.tool, Tool::Edit(vec![PathBuf::from("/repo/app/src/db.rs")]), "{tool}");
            assert_eq!(read.session.as_deref(), Some("1f3a2b4c-0000-4000-8000-000000000001"));
        }
    }

    #[test]
    fn a_shell_command_is_kept_as_it_is() {
        let read = before("Bash", json!({ "command": "echo x > y", "description": "writes" }));
        assert_eq!(read.tool, Tool::Shell { command: "echo x > y".to_owned(), folder: None });
        assert_eq!(read.call.as_deref(), Some("toolu_01"));
    }

    #[test]
    fn a_tool_that_reads_is_nobodys_business() {
        assert_eq!(before("Read", json!({ "file_path": "/repo/app/src/db.rs" })).tool, Tool::Other);
        assert_eq!(before("mcp__github__create", json!({})).tool, Tool::Other);
    }

    #[test]
    fn the_names_of_events_may_be_written_in_several_ways() {
        for (name, kind) in [
            ("session-start", EventKind::SessionStart),
            ("PostToolUse", EventKind::AfterTool),
            ("post-tool-use-failure", EventKind::AfterTool),
            ("pre_compact", EventKind::BeforeCompact),
            ("stop", EventKind::Stop),
            ("subagent-stop", EventKind::SubagentStop),
            ("session-end", EventKind::SessionEnd),
            ("teleport", EventKind::Unknown),
        ] {
            assert_eq!(event(name, json!({})).kind, kind, "{name}");
        }
    }

    #[test]
    fn of_strange_input_nobody_can_say_what_it_writes() {
        for input in
            [json!(null), json!([1]), json!("x"), json!({ "tool_input": 7, "tool_name": {}, "cwd": [] })]
        {
            let read = event("pre-tool-use", input);
            assert_eq!((read.session, read.folder), (None, None));
            assert!(matches!(read.tool, Tool::Unreadable(_)), "{:?}", read.tool);
        }
        for (tool, arguments) in [
            ("Edit", json!({})),
            ("Write", json!({ "file_path": "" })),
            ("Write", json!({ "file_path": "src/a\u{fffd}.rs" })),
            ("NotebookEdit", json!(null)),
            ("Bash", json!({ "command": 7 })),
            ("apply_patch", json!({ "command": "*** Begin Patch" })),
        ] {
            let read = before(tool, arguments.clone());
            assert!(matches!(read.tool, Tool::Unreadable(_)), "{tool} {arguments}: {:?}", read.tool);
        }
    }

    #[test]
    fn cursor_that_calls_the_hooks_of_claude_is_known_as_itself() {
        let input = json!({ "conversation_id": "c1", "session_id": "s1", "cursor_version": "2.4", "workspace_roots": ["/w"] });
        let read = event("pre-tool-use", input);
        assert_eq!((read.host, read.session.as_deref()), (Host::Cursor, Some("c1")));
        assert_eq!(read.folder, Some(PathBuf::from("/w")));
    }

    #[test]
    fn a_denial_is_said_twice() {
        let answer = Host::Claude.answer(&before("Edit", json!({})), &Verdict::Refuse("held".to_owned()));
        let output = answer.stdout.unwrap_or_default();
        assert_eq!(output["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(output["hookSpecificOutput"]["permissionDecisionReason"], "held");
        assert_eq!((answer.stderr.as_deref(), answer.code), (Some("held"), 2));
    }

    #[test]
    fn a_tool_that_failed_is_answered_in_the_form_of_its_own_event() {
        let failed = json!({ "session_id": "s", "tool_name": "Bash", "tool_input": { "command": "make" },
            "tool_use_id": "toolu_01", "error": "Exit code 1", "is_interrupt": false });
        let read = event("post-tool-use-failure", failed);
        assert_eq!(read.tool, Tool::Shell { command: "make".to_owned(), folder: None });
        for verdict in [Verdict::Inform("held".to_owned()), Verdict::Refuse("held".to_owned())] {
            let answer = Host::Claude.answer(&read, &verdict).stdout.unwrap_or_default();
            assert_eq!(
                answer,
                json!({ "hookSpecificOutput": { "hookEventName": "PostToolUseFailure", "additionalContext": "held" } })
            );
        }
    }

    #[test]
    fn what_is_told_allows_nothing() {
        let answer =
            Host::Claude.answer(&before("Edit", json!({})), &Verdict::Inform("yours now".to_owned()));
        let output = answer.stdout.unwrap_or_default();
        assert_eq!(
            output,
            json!({ "hookSpecificOutput": { "hookEventName": "PreToolUse", "additionalContext": "yours now" } })
        );
        assert_eq!(answer.code, 0);
    }

    #[test]
    fn whoever_stops_is_asked_to_go_on() {
        let stop = event("stop", json!({ "session_id": "s", "stop_hook_active": true }));
        assert!(stop.is_again);
        let answer = Host::Claude.answer(&stop, &Verdict::Refuse("lost".to_owned()));
        assert_eq!((answer.stdout, answer.code), (Some(json!({ "decision": "block", "reason": "lost" })), 0));
    }
}
