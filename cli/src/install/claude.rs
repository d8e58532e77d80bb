//! Claude Code: hooks in its settings, tools in `.mcp.json`, and a skill.

use super::{Plan, Scope, Wish, json, skill};
use crate::error::Error;
use serde_json::{Value, json};

/// Seconds that Claude waits for a hook, which itself gives up sooner.
const TIMEOUT_S: u64 = 10;

/// Tools whose use is asked about.
const BEFORE: &str = "Edit|Write|MultiEdit|NotebookEdit|Bash";

/// What Claude shall call, by its names of events.
pub(super) fn hooks(host: &str, before: &str, after: &str) -> Vec<json::Hook> {
    let entry = |event: &str, matcher: Option<&str>| {
        let hook = json!({ "type": "command", "command": format!("nexus hook {host} {event}"), "timeout": TIMEOUT_S });
        matcher.map_or_else(
            || json!({ "hooks": [hook.clone()] }),
            |matcher| json!({ "matcher": matcher, "hooks": [hook.clone()] }),
        )
    };
    let named = |name: &str, event: &str, matcher| (name.to_owned(), entry(event, matcher));
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

/// The hooks of Claude itself.
pub(super) fn own_hooks() -> Vec<json::Hook> {
    hooks("claude", BEFORE, "Bash")
}

/// The server of tools, started by whoever needs it.
pub(super) fn server() -> Value {
    json!({ "type": "stdio", "command": "nexus", "args": ["mcp"] })
}

pub(super) fn plan(scope: &Scope, wish: Wish) -> Result<Plan, Error> {
    let folder = scope.folder(".claude");
    let (settings, servers) = (folder.join("settings.json"), scope.root.join(".mcp.json"));
    let mut plan = Plan::default();
    match wish {
        Wish::Install => {
            let path = settings.clone();
            plan.edit(settings, |text| {
                json::edit(&path, text, |root| json::add_hooks(root, &own_hooks())).map(Some)
            })?;
            if scope.is_user() {
                plan.notes.push(
                    "Claude keeps tools for all projects itself: claude mcp add -s user nexus -- nexus mcp"
                        .to_owned(),
                );
            } else {
                let path = servers.clone();
                plan.edit(servers, |text| {
                    json::edit(&path, text, |root| json::add_server(root, &server())).map(Some)
                })?;
            }
            plan.own(folder.join("skills/nexus/SKILL.md"), Some(skill::SKILL))?;
        }
        Wish::Uninstall => {
            json_without(&mut plan, settings, &json!({}))?;
            if !scope.is_user() {
                json_without(&mut plan, servers, &json!({}))?;
            }
            plan.own(folder.join("skills/nexus/SKILL.md"), None)?;
        }
    }
    Ok(plan)
}

/// Takes hooks and tools out of settings; a file that says nothing else goes.
pub(super) fn json_without(plan: &mut Plan, path: std::path::PathBuf, ours: &Value) -> Result<(), Error> {
    let named = path.clone();
    plan.edit(path, |text| {
        let Some(text) = text else { return Ok(None) };
        let left = json::edit(&named, Some(text), |root| {
            json::remove_hooks(root);
            json::remove_server(root);
            Ok(())
        })?;
        // Nothing of ours was in it: not even an empty file is touched.
        if left == text { Ok(Some(left)) } else { Ok(json::left(left, ours)) }
    })
}
