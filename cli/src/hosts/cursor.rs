//! Cursor. Its events are many and specific, its answers are permissions and messages.

use super::{Answer, EventKind, HookEvent, Host, Input, Tool, Verdict, claude, event::folded};
use serde_json::json;

pub(super) fn read(event: &str, input: Input<'_>) -> HookEvent {
    let (kind, tool) = match folded(event).as_str() {
        "beforeshellexecution" => (EventKind::BeforeTool, input.shell(&["command"], &["cwd"])),
        "aftershellexecution" => (EventKind::AfterTool, input.shell(&["command"], &["cwd"])),
        "afterfileedit" | "aftertabfileedit" => (EventKind::AfterTool, input.edit(&["file_path"])),
        _ => {
            let arguments = input.inner("tool_input");
            let name = input.text(&["tool_name"]);
            let tool = name.map_or_else(Tool::nameless, |name| claude::tool(name, Input(&arguments)));
            (EventKind::of_name(event), tool)
        }
    };
    HookEvent {
        kind,
        name: event.to_owned(),
        host: Host::Cursor,
        session: input.owned(&["conversation_id", "session_id"]),
        folder: input.path(&["cwd"]).or_else(|| input.first_of("workspace_roots")),
        tool,
        call: input.owned(&["tool_use_id"]).or_else(|| input.owned(&["generation_id"])),
        is_again: input.is_above_zero("loop_count"),
        is_continuation: input.is_continuation(),
    }
}

pub(super) fn answer(event: &HookEvent, verdict: &Verdict) -> Answer {
    match (event.kind, verdict) {
        (_, Verdict::Silent) | (EventKind::Unknown | EventKind::SessionEnd, _) => Answer::nothing(),
        (EventKind::BeforeTool, Verdict::Refuse(reason)) => Answer::blocked(
            json!({ "permission": "deny", "user_message": reason, "agent_message": reason }),
            reason,
        ),
        // Without a permission: `allow` would keep the host from asking its user.
        (EventKind::BeforeTool, Verdict::Inform(text)) => Answer::json(json!({ "agent_message": text })),
        (EventKind::SessionStart | EventKind::AfterTool, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            Answer::json(json!({ "additional_context": text }))
        }
        (EventKind::Stop | EventKind::SubagentStop, Verdict::Refuse(text)) => {
            Answer::json(json!({ "followup_message": text }))
        }
        (EventKind::Stop | EventKind::SubagentStop, Verdict::Inform(_)) => Answer::nothing(),
        (EventKind::BeforeCompact, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            Answer::json(json!({ "user_message": text }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::PathBuf;

    fn event(name: &str, mut input: Value) -> HookEvent {
        input["conversation_id"] = json!("668320d2-2fd8-4888-b33c-2a466fec86e7");
        input["generation_id"] = json!("490b90b7-a2ce-4c2c-bb76-cb77b125df2f");
        input["workspace_roots"] = json!(["/repo/app"]);
        Host::Cursor.read(name, &input)
    }

    #[test]
    fn each_event_is_read_in_its_own_form() {
        let shell = event("before-shell-execution", json!({ "command": "rm a", "cwd": "/repo/app/sub" }));
        assert_eq!(shell.kind, EventKind::BeforeTool);
        let folder = Some(PathBuf::from("/repo/app/sub"));
        assert_eq!(shell.tool, Tool::Shell { command: "rm a".to_owned(), folder });
        let edit = event(
            "preToolUse",
            json!({ "tool_name": "Write", "tool_input": { "file_path": "/repo/app/a" } }),
        );
        assert_eq!(edit.tool, Tool::Edit(vec![PathBuf::from("/repo/app/a")]));
        let after = event("afterFileEdit", json!({ "file_path": "/repo/app/a", "edits": [] }));
        assert_eq!(
            (after.kind, after.tool),
            (EventKind::AfterTool, Tool::Edit(vec![PathBuf::from("/repo/app/a")]))
        );
        let start = event("session-start", json!({ "is_background_agent": false }));
        assert_eq!((start.kind, start.folder), (EventKind::SessionStart, Some(PathBuf::from("/repo/app"))));
        let text = event(
            "pre-tool-use",
            json!({ "tool_name": "Delete", "tool_input": "{\"path\":\"/repo/app/a\"}" }),
        );
        assert_eq!(text.tool, Tool::Edit(vec![PathBuf::from("/repo/app/a")]));
    }

    #[test]
    fn it_is_answered_with_permissions_and_messages() {
        let edit = event("preToolUse", json!({ "tool_name": "Write", "tool_input": {} }));
        let denied = Host::Cursor.answer(&edit, &Verdict::Refuse("held".to_owned()));
        let output = json!({ "permission": "deny", "user_message": "held", "agent_message": "held" });
        assert_eq!((denied.stdout, denied.code), (Some(output), 2));
        let stop = event("stop", json!({ "status": "completed", "loop_count": 1 }));
        assert!(stop.is_again);
        let answer = Host::Cursor.answer(&stop, &Verdict::Refuse("lost".to_owned()));
        assert_eq!(answer.stdout, Some(json!({ "followup_message": "lost" })));
        assert_eq!(Host::Cursor.answer(&stop, &Verdict::Inform("x".to_owned())), Answer::nothing());
    }
}
