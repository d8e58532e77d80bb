//! Claude Code. Its answers name the event in its own spelling; a denial is said in JSON and by exit code 2. Its
//! settings have hooks, `.mcp.json` the tools, and a skill says what they are for.

use super::{AgentHost, EventKind, HookAnswer, HookEvent, Input, Verdict, cursor::CURSOR, event::folded};
use crate::{
    error::Error,
    install::{Operation, Plan, Scope, json, skill},
};
use serde_json::{Value, json};

/// Claude Code, the command line and what is built on it.
pub(super) static CLAUDE: AgentHost = AgentHost {
    name: "claude",
    title: "Claude Code",
    program: "claude",
    programs: &["claude"],
    settings_folder: ".claude",
    project_folder_variable: Some("CLAUDE_PROJECT_DIR"),
    run_id_variable: None,
    commands_file_variable: Some("CLAUDE_ENV_FILE"),
    caveat: None,
    read,
    answer,
    plan,
};

/// The event after a tool that failed, such as a command that ends with an error. Claude sends no other one then.
const FAILED: &str = "posttoolusefailure";

/// Seconds that Claude waits for a hook, which itself gives up sooner.
const TIMEOUT_S: u64 = 10;

/// Tools before whose use Claude calls the hook.
const BEFORE: &str = "Edit|Write|MultiEdit|NotebookEdit|Bash";

fn read(event: &str, input: Input<'_>) -> HookEvent {
    // Cursor calls the hooks of Claude as well: then the run is Cursor's.
    let is_cursor = input.text(&["cursor_version", "conversation_id"]).is_some();
    let host = if is_cursor { CURSOR.name } else { CLAUDE.name };
    shared(host, event, input)
}

/// Reads an event in the form of Claude, which Codex took over.
pub(super) fn shared(host: &'static str, event: &str, input: Input<'_>) -> HookEvent {
    let session = if host == CURSOR.name { ["conversation_id", "session_id"] } else { ["session_id"; 2] };
    HookEvent {
        kind: EventKind::of_name(event),
        name: event.to_owned(),
        host,
        session: input.owned(&session),
        folder: input.path(&["cwd"]).or_else(|| input.first_of("workspace_roots")),
        tool: input.tool(),
        call: input.owned(&["tool_use_id"]),
        is_again: input.is_true("stop_hook_active"),
        is_continuation: input.is_continuation(),
    }
}

pub(super) fn answer(event: &HookEvent, verdict: &Verdict) -> HookAnswer {
    use EventKind::{AfterTool, BeforeTool, SessionStart, Stop, SubagentStop};
    match (event.kind, verdict) {
        (_, Verdict::Silent) => HookAnswer::nothing(),
        (BeforeTool, Verdict::Refuse(reason)) => {
            let denied = json!({ "hookEventName": "PreToolUse", "permissionDecision": "deny",
                "permissionDecisionReason": reason });
            HookAnswer::blocked(json!({ "hookSpecificOutput": denied }), reason)
        }
        // After a tool that failed there is no decision; additional context must name its own event.
        (AfterTool, Verdict::Inform(text) | Verdict::Refuse(text)) if folded(&event.name) == FAILED => {
            additional_context("PostToolUseFailure", text)
        }
        (AfterTool | Stop | SubagentStop, Verdict::Refuse(reason)) => {
            HookAnswer::json(json!({ "decision": "block", "reason": reason }))
        }
        // Without a decision: `allow` would keep the host from asking its user.
        (BeforeTool, Verdict::Inform(text)) => additional_context("PreToolUse", text),
        (AfterTool, Verdict::Inform(text)) => additional_context("PostToolUse", text),
        (SessionStart, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            additional_context("SessionStart", text)
        }
        // Other texts reach only a person.
        (_, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            HookAnswer::json(json!({ "systemMessage": text }))
        }
    }
}

fn additional_context(event: &str, text: &str) -> HookAnswer {
    let context: Value = json!({ "hookEventName": event, "additionalContext": text });
    HookAnswer::json(json!({ "hookSpecificOutput": context }))
}

/// The hooks in the form of Claude, each with Claude's name of the event.
pub(super) fn hooks(host: &str, before: &str, after: &str) -> Vec<json::Hook> {
    let named = |name: &str, event: &str, matcher| hook(host, name, event, matcher);
    vec![
        named("SessionStart", "session-start", None),
        named("PreToolUse", "pre-tool-use", Some(before)),
        named("PostToolUse", "post-tool-use", Some(after)),
        named("PreCompact", "pre-compact", None),
        named("Stop", "stop", None),
        named("SubagentStop", "subagent-stop", None),
        named("SessionEnd", "session-end", None),
    ]
}

/// One hook: Claude's name of the event, and an entry with the command line's name of it.
fn hook(host: &str, name: &str, event: &str, matcher: Option<&str>) -> json::Hook {
    let hook =
        json!({ "type": "command", "command": format!("nexus hook {host} {event}"), "timeout": TIMEOUT_S });
    let entry = matcher.map_or_else(
        || json!({ "hooks": [hook.clone()] }),
        |matcher| json!({ "matcher": matcher, "hooks": [hook.clone()] }),
    );
    (name.to_owned(), entry)
}

/// The hooks of Claude itself. A hook that cannot be run stops nothing, unless the policy is `fail-closed`.
pub(super) fn own_hooks(is_closed: bool) -> Vec<json::Hook> {
    let mut hooks = hooks("claude", BEFORE, "Bash");
    // After a command that ends with an error Claude calls this one instead. Other hosts call the usual one.
    let after = hooks.iter().position(|(event, _)| event == "PostToolUse").map_or(hooks.len(), |at| at + 1);
    hooks.insert(after, hook("claude", "PostToolUseFailure", "post-tool-use-failure", Some("Bash")));
    for (event, entry) in &mut hooks {
        if is_closed && event == "PreToolUse" {
            entry["hooks"][0]["onFailure"] = json!("block");
        }
    }
    hooks
}

/// The entry of the MCP server, which the host starts.
pub(super) fn server() -> Value {
    json!({ "type": "stdio", "command": "nexus", "args": ["mcp"] })
}

fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".claude");
    let (settings, servers) = (folder.join("settings.json"), scope.root.join(".mcp.json"));
    let skill = folder.join("skills/nexus/SKILL.md");
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let hooks = own_hooks(scope.is_closed);
            json::put_in(&mut plan, settings, &json!({}), |root| json::add_hooks(root, &hooks))?;
            if scope.is_user() {
                plan.notes.push(
                    "Claude keeps tools for all projects itself: claude mcp add -s user nexus -- nexus mcp"
                        .to_owned(),
                );
            } else {
                json::put_in(&mut plan, servers, &json!({}), |root| json::add_server(root, &server()))?;
            }
            plan.put(skill, skill::SKILL)?;
        }
        Operation::Uninstall => {
            json::take_out(&mut plan, settings, &json!({}))?;
            if !scope.is_user() {
                json::take_out(&mut plan, servers, &json!({}))?;
            }
            plan.take(skill)?;
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::{super::Tool, *};
    use std::path::PathBuf;

    fn event(name: &str, input: Value) -> HookEvent {
        read(name, Input(&input))
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
        assert_eq!((read.host, read.session.as_deref()), (CURSOR.name, Some("c1")));
        assert_eq!(read.folder, Some(PathBuf::from("/w")));
    }

    #[test]
    fn a_denial_is_said_twice() {
        let answer = answer(&before("Edit", json!({})), &Verdict::Refuse("held".to_owned()));
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
            let answer = answer(&read, &verdict).stdout.unwrap_or_default();
            assert_eq!(
                answer,
                json!({ "hookSpecificOutput": { "hookEventName": "PostToolUseFailure", "additionalContext": "held" } })
            );
        }
    }

    #[test]
    fn a_message_for_the_agent_allows_nothing() {
        let answer = answer(&before("Edit", json!({})), &Verdict::Inform("yours now".to_owned()));
        let output = answer.stdout.unwrap_or_default();
        assert_eq!(
            output,
            json!({ "hookSpecificOutput": { "hookEventName": "PreToolUse", "additionalContext": "yours now" } })
        );
        assert_eq!(answer.code, 0);
    }

    #[test]
    fn an_agent_that_stops_is_asked_to_go_on() {
        let stop = event("stop", json!({ "session_id": "s", "stop_hook_active": true }));
        assert!(stop.is_again);
        let answer = answer(&stop, &Verdict::Refuse("lost".to_owned()));
        assert_eq!((answer.stdout, answer.code), (Some(json!({ "decision": "block", "reason": "lost" })), 0));
    }

    #[test]
    fn a_command_is_looked_at_also_when_it_ends_with_an_error() {
        let events = |hooks: Vec<json::Hook>| hooks.into_iter().map(|(event, _)| event).collect::<Vec<_>>();
        let own = own_hooks(false);
        let failed =
            own.iter().find(|(event, _)| event == "PostToolUseFailure").map(|(_, entry)| entry.clone());
        let failed = failed.unwrap_or_default();
        assert_eq!(failed["matcher"], "Bash", "{failed}");
        assert_eq!(failed["hooks"][0]["command"], "nexus hook claude post-tool-use-failure", "{failed}");
        // A host that only took over the form calls the usual one, and may know no other.
        assert!(!events(hooks("codex", BEFORE, "Bash")).contains(&"PostToolUseFailure".to_owned()));
    }
}
