//! Cursor. It has many specific events, and its answers are permissions and messages. It has files for hooks, for
//! tools, and for a rule that its agents always read.

use super::{AgentHost, EventKind, HookAnswer, HookEvent, Input, Verdict, event::folded};
use crate::{
    error::Error,
    install::{Operation, Plan, Scope, json, skill},
};
use jsonc_parser::cst::CstInputValue;
use serde_json::json;

/// Cursor, the editor and its agent.
pub(super) static CURSOR: AgentHost = AgentHost {
    name: "cursor",
    title: "Cursor",
    program: "cursor-agent",
    programs: &["cursor", "cursor-agent"],
    settings_folder: ".cursor",
    project_folder_variable: Some("CURSOR_PROJECT_DIR"),
    run_id_variable: None,
    commands_file_variable: None,
    caveat: None,
    read,
    answer,
    plan,
};

/// Tools that write files. Commands for the shell have an event of their own.
const WRITERS: &str = "Write|Edit|MultiEdit|StrReplace|Delete|ApplyPatch|EditNotebook|NotebookEdit";

/// Events before a file is written. With the policy `fail-closed`, a hook that cannot be run stops the tool.
const BEFORE: [&str; 2] = ["preToolUse", "beforeShellExecution"];

fn read(event: &str, input: Input<'_>) -> HookEvent {
    let (kind, tool) = match folded(event).as_str() {
        "beforeshellexecution" => (EventKind::BeforeTool, input.shell(&["command"], &["cwd"])),
        "aftershellexecution" => (EventKind::AfterTool, input.shell(&["command"], &["cwd"])),
        "afterfileedit" | "aftertabfileedit" => (EventKind::AfterTool, input.edit(&["file_path"])),
        _ => (EventKind::of_name(event), input.tool()),
    };
    HookEvent {
        kind,
        name: event.to_owned(),
        host: CURSOR.name,
        session: input.owned(&["conversation_id", "session_id"]),
        folder: input.path(&["cwd"]).or_else(|| input.first_of("workspace_roots")),
        tool,
        call: input.owned(&["tool_use_id"]).or_else(|| input.owned(&["generation_id"])),
        is_again: input.is_above_zero("loop_count"),
        is_continuation: input.is_continuation(),
    }
}

fn answer(event: &HookEvent, verdict: &Verdict) -> HookAnswer {
    match (event.kind, verdict) {
        (_, Verdict::Silent) | (EventKind::Unknown | EventKind::SessionEnd, _) => HookAnswer::nothing(),
        (EventKind::BeforeTool, Verdict::Refuse(reason)) => HookAnswer::blocked(
            json!({ "permission": "deny", "user_message": reason, "agent_message": reason }),
            reason,
        ),
        // Without a permission: `allow` would keep the host from asking its user.
        (EventKind::BeforeTool, Verdict::Inform(text)) => HookAnswer::json(json!({ "agent_message": text })),
        (EventKind::SessionStart | EventKind::AfterTool, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            HookAnswer::json(json!({ "additional_context": text }))
        }
        (EventKind::Stop | EventKind::SubagentStop, Verdict::Refuse(text)) => {
            HookAnswer::json(json!({ "followup_message": text }))
        }
        (EventKind::Stop | EventKind::SubagentStop, Verdict::Inform(_)) => HookAnswer::nothing(),
        (EventKind::BeforeCompact, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            HookAnswer::json(json!({ "user_message": text }))
        }
    }
}

fn hooks(is_closed: bool) -> Vec<json::Hook> {
    let entry = |name: &str, event: &str, matcher: Option<&str>| -> json::Hook {
        let mut entry = json!({ "command": format!("nexus hook cursor {event}") });
        if let Some(matcher) = matcher {
            entry["matcher"] = json!(matcher);
        }
        if is_closed && BEFORE.contains(&name) {
            entry["failClosed"] = json!(true);
        }
        (name.to_owned(), entry)
    };
    vec![
        entry("sessionStart", "session-start", None),
        entry("preToolUse", "pre-tool-use", Some(WRITERS)),
        entry("beforeShellExecution", "before-shell-execution", None),
        entry("afterShellExecution", "after-shell-execution", None),
        entry("afterFileEdit", "after-file-edit", None),
        entry("preCompact", "pre-compact", None),
        entry("stop", "stop", None),
        entry("sessionEnd", "session-end", None),
    ]
}

fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".cursor");
    let (path, servers) = (folder.join("hooks.json"), folder.join("mcp.json"));
    let rule = folder.join("rules/nexus.mdc");
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let wanted = hooks(scope.is_closed);
            json::put_in(&mut plan, path, &json!({ "version": 1 }), |root| {
                if root.get("version").is_none() {
                    root.insert(0, "version", CstInputValue::Number("1".to_owned()));
                }
                json::add_hooks(root, &wanted)
            })?;
            let server = json!({ "command": "nexus", "args": ["mcp"] });
            json::put_in(&mut plan, servers, &json!({}), |root| json::add_server(root, &server))?;
            // Cursor has no file for the rules of a person.
            if !scope.is_user() {
                let text = format!(
                    "---\ndescription: Coordinate with other agents\nalwaysApply: true\n---\n\n{}",
                    skill::GUIDE
                );
                plan.put(rule, &text)?;
            }
        }
        Operation::Uninstall => {
            json::take_out(&mut plan, path, &json!({ "version": 1 }))?;
            json::take_out(&mut plan, servers, &json!({}))?;
            if !scope.is_user() {
                plan.take(rule)?;
            }
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::{super::Tool, *};
    use serde_json::Value;
    use std::path::PathBuf;

    fn event(name: &str, mut input: Value) -> HookEvent {
        input["conversation_id"] = json!("668320d2-2fd8-4888-b33c-2a466fec86e7");
        input["generation_id"] = json!("490b90b7-a2ce-4c2c-bb76-cb77b125df2f");
        input["workspace_roots"] = json!(["/repo/app"]);
        read(name, Input(&input))
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
        let denied = answer(&edit, &Verdict::Refuse("held".to_owned()));
        let output = json!({ "permission": "deny", "user_message": "held", "agent_message": "held" });
        assert_eq!((denied.stdout, denied.code), (Some(output), 2));
        let stop = event("stop", json!({ "status": "completed", "loop_count": 1 }));
        assert!(stop.is_again);
        let refused = answer(&stop, &Verdict::Refuse("lost".to_owned()));
        assert_eq!(refused.stdout, Some(json!({ "followup_message": "lost" })));
        assert_eq!(answer(&stop, &Verdict::Inform("x".to_owned())), HookAnswer::nothing());
    }
}
