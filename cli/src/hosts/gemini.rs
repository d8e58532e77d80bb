//! Gemini CLI. Its stdout is JSON and nothing else, and its events have names of their own. Its settings have hooks and
//! tools, and `GEMINI.md` a few lines about them.

use super::{AgentHost, EventKind, HookAnswer, HookEvent, Input, Tool, Verdict, event::folded};
use crate::{
    error::Error,
    install::{Operation, Plan, Scope, json, skill},
};
use serde_json::{Value, json};

/// Gemini CLI, whose events have names of their own.
pub(super) static GEMINI: AgentHost = AgentHost {
    name: "gemini",
    title: "Gemini CLI",
    program: "gemini",
    programs: &["gemini"],
    settings_folder: ".gemini",
    project_folder_variable: Some("GEMINI_PROJECT_DIR"),
    run_id_variable: None,
    commands_file_variable: None,
    caveat: None,
    read,
    answer,
    plan,
};

/// Milliseconds that Gemini waits for a hook, which itself gives up sooner.
const TIMEOUT_MS: u64 = 10_000;

/// Tools before whose use Gemini calls the hook.
const WRITERS: &str = "write_file|replace|edit|run_shell_command";

fn read(event: &str, input: Input<'_>) -> HookEvent {
    let kind = match folded(event).as_str() {
        "beforetool" => EventKind::BeforeTool,
        "aftertool" => EventKind::AfterTool,
        "afteragent" => EventKind::Stop,
        "precompress" => EventKind::BeforeCompact,
        _ => EventKind::of_name(event),
    };
    let arguments = input.inner("tool_input");
    HookEvent {
        kind,
        name: event.to_owned(),
        host: GEMINI.name,
        session: input.owned(&["session_id"]),
        folder: input.path(&["cwd"]),
        tool: input.text(&["tool_name"]).map_or_else(Tool::nameless, |name| tool(name, Input(&arguments))),
        call: input.owned(&["tool_use_id"]),
        is_again: input.is_true("stop_hook_active"),
        is_continuation: input.is_continuation(),
    }
}

fn tool(name: &str, arguments: Input<'_>) -> Tool {
    match name {
        "write_file" | "replace" | "edit" | "edit_file" => {
            arguments.edit(&["file_path", "absolute_path", "path"])
        }
        "run_shell_command" => arguments.shell(&["command"], &["dir_path", "directory"]),
        _ => Tool::Other,
    }
}

fn answer(event: &HookEvent, verdict: &Verdict) -> HookAnswer {
    match (event.kind, verdict) {
        (_, Verdict::Silent) | (EventKind::Unknown, _) => HookAnswer::nothing(),
        (EventKind::BeforeTool, Verdict::Refuse(reason)) => {
            HookAnswer::blocked(json!({ "decision": "deny", "reason": reason }), reason)
        }
        (EventKind::Stop, Verdict::Refuse(reason)) => {
            HookAnswer::json(json!({ "decision": "deny", "reason": reason }))
        }
        (EventKind::BeforeTool, Verdict::Inform(text)) => additional_context("BeforeTool", text),
        // A refusal after the tool would hide the tool's output from the agent.
        (EventKind::AfterTool, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            additional_context("AfterTool", text)
        }
        (EventKind::SessionStart, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            additional_context("SessionStart", text)
        }
        (_, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            HookAnswer::json(json!({ "systemMessage": text }))
        }
    }
}

fn additional_context(event: &str, text: &str) -> HookAnswer {
    let context: Value = json!({ "hookEventName": event, "additionalContext": text });
    HookAnswer::json(json!({ "hookSpecificOutput": context }))
}

fn hooks() -> Vec<json::Hook> {
    let entry = |name: &str, event: &str, matcher: Option<&str>| -> json::Hook {
        let hook = json!({ "name": "nexus", "type": "command", "command": format!("nexus hook gemini {event}"),
            "timeout": TIMEOUT_MS });
        let entry = matcher.map_or_else(
            || json!({ "hooks": [hook.clone()] }),
            |matcher| json!({ "matcher": matcher, "hooks": [hook.clone()] }),
        );
        (name.to_owned(), entry)
    };
    vec![
        entry("SessionStart", "session-start", None),
        entry("BeforeTool", "before-tool", Some(WRITERS)),
        entry("AfterTool", "after-tool", Some("run_shell_command")),
        entry("AfterAgent", "after-agent", None),
        entry("PreCompress", "pre-compress", None),
        entry("SessionEnd", "session-end", None),
    ]
}

fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".gemini");
    let guide = if scope.is_user() { folder.join("GEMINI.md") } else { scope.root.join("GEMINI.md") };
    let path = folder.join("settings.json");
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let server = json!({ "command": "nexus", "args": ["mcp"] });
            json::put_in(&mut plan, path, &json!({}), |root| {
                json::add_hooks(root, &hooks())?;
                json::add_server(root, &server)
            })?;
            skill::add_guide(&mut plan, guide)?;
        }
        Operation::Uninstall => {
            json::take_out(&mut plan, path, &json!({}))?;
            skill::remove_guide(&mut plan, guide)?;
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn event(name: &str, mut input: Value) -> HookEvent {
        input["session_id"] = json!("a4f7c2d1");
        input["cwd"] = json!("/repo/app");
        input["timestamp"] = json!("2026-01-31T12:00:00.000Z");
        read(name, Input(&input))
    }

    #[test]
    fn its_own_names_are_read() {
        let write = event(
            "BeforeTool",
            json!({ "tool_name": "write_file", "tool_input": { "file_path": "/repo/app/a", "content": "" } }),
        );
        assert_eq!(
            (write.kind, write.tool),
            (EventKind::BeforeTool, Tool::Edit(vec![PathBuf::from("/repo/app/a")]))
        );
        let replace =
            event("before-tool", json!({ "tool_name": "replace", "tool_input": { "file_path": "b" } }));
        assert_eq!(replace.tool, Tool::Edit(vec![PathBuf::from("b")]));
        let shell = event(
            "before-tool",
            json!({ "tool_name": "run_shell_command", "tool_input": { "command": "rm a", "dir_path": "sub" } }),
        );
        assert_eq!(
            shell.tool,
            Tool::Shell { command: "rm a".to_owned(), folder: Some(PathBuf::from("sub")) }
        );
        assert_eq!(
            event("after-agent", json!({ "prompt": "", "stop_hook_active": true })).kind,
            EventKind::Stop
        );
        assert_eq!(event("pre-compress", json!({ "trigger": "auto" })).kind, EventKind::BeforeCompact);
        assert_eq!(event("before-model", json!({})).kind, EventKind::Unknown);
    }

    #[test]
    fn it_is_denied_in_json_and_by_exit_code() {
        let write = event("before-tool", json!({ "tool_name": "write_file", "tool_input": {} }));
        let denied = answer(&write, &Verdict::Refuse("held".to_owned()));
        assert_eq!(denied.stdout, Some(json!({ "decision": "deny", "reason": "held" })));
        assert_eq!((denied.stderr.as_deref(), denied.code), (Some("held"), 2));
        let after = event("after-tool", json!({ "tool_name": "run_shell_command" }));
        let answer = answer(&after, &Verdict::Refuse("theirs".to_owned())).stdout.unwrap_or_default();
        assert_eq!(answer["hookSpecificOutput"]["additionalContext"], "theirs");
    }
}
