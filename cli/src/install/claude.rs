//! Claude Code: hooks in its settings, tools in `.mcp.json`, and a skill.

use super::{Operation, Plan, Scope, json, skill};
use crate::error::Error;
use jsonc_parser::cst::CstObject;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Seconds that Claude waits for a hook, which itself gives up sooner.
const TIMEOUT_S: u64 = 10;

/// Tools whose use is asked about.
const BEFORE: &str = "Edit|Write|MultiEdit|NotebookEdit|Bash";

/// What Claude shall call, by its names of events.
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

/// One of them: Claude's name of the event, and the command line's.
fn hook(host: &str, name: &str, event: &str, matcher: Option<&str>) -> json::Hook {
    let hook =
        json!({ "type": "command", "command": format!("nexus hook {host} {event}"), "timeout": TIMEOUT_S });
    let entry = matcher.map_or_else(
        || json!({ "hooks": [hook.clone()] }),
        |matcher| json!({ "matcher": matcher, "hooks": [hook.clone()] }),
    );
    (name.to_owned(), entry)
}

/// The hooks of Claude itself. One that cannot even be run stops nothing, unless the policy is that nothing is written
/// which nobody has checked.
pub(super) fn own_hooks(is_closed: bool) -> Vec<json::Hook> {
    let mut hooks = hooks("claude", BEFORE, "Bash");
    // After a command that ends with an error Claude calls this one instead, and other hosts the same.
    let after = hooks.iter().position(|(event, _)| event == "PostToolUse").map_or(hooks.len(), |at| at + 1);
    hooks.insert(after, hook("claude", "PostToolUseFailure", "post-tool-use-failure", Some("Bash")));
    for (event, entry) in &mut hooks {
        if is_closed && event == "PreToolUse" {
            entry["hooks"][0]["onFailure"] = json!("block");
        }
    }
    hooks
}

/// The server of tools, started by whoever needs it.
pub(super) fn server() -> Value {
    json!({ "type": "stdio", "command": "nexus", "args": ["mcp"] })
}

pub(super) fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".claude");
    let (settings, servers) = (folder.join("settings.json"), scope.root.join(".mcp.json"));
    let skill = folder.join("skills/nexus/SKILL.md");
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let hooks = own_hooks(scope.is_closed);
            settings_with(&mut plan, settings, &json!({}), |root| json::add_hooks(root, &hooks))?;
            if scope.is_user() {
                plan.notes.push(
                    "Claude keeps tools for all projects itself: claude mcp add -s user nexus -- nexus mcp"
                        .to_owned(),
                );
            } else {
                settings_with(&mut plan, servers, &json!({}), |root| json::add_server(root, &server()))?;
            }
            plan.put(skill, skill::SKILL)?;
        }
        Operation::Uninstall => {
            settings_without(&mut plan, settings, &json!({}))?;
            if !scope.is_user() {
                settings_without(&mut plan, servers, &json!({}))?;
            }
            plan.take(skill)?;
        }
    }
    Ok(plan)
}

/// Puts something into settings. `ours` is all that is left of settings that were made for it.
pub(super) fn settings_with(
    plan: &mut Plan,
    path: PathBuf,
    ours: &Value,
    change: impl FnOnce(&CstObject) -> Result<(), String>,
) -> Result<(), Error> {
    let named = path.clone();
    plan.put_in(path, |text| json::edit(&named, text, change), |text| json::taken(&named, text, ours))
}

/// Takes hooks and tools out of settings; a file that was made for them goes.
pub(super) fn settings_without(plan: &mut Plan, path: PathBuf, ours: &Value) -> Result<(), Error> {
    let named = path.clone();
    plan.take_out(path, |text| json::taken(&named, text, ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_looked_at_also_when_it_ends_with_an_error() {
        let events = |hooks: Vec<json::Hook>| hooks.into_iter().map(|(event, _)| event).collect::<Vec<_>>();
        let own = own_hooks(false);
        let failed =
            own.iter().find(|(event, _)| event == "PostToolUseFailure").map(|(_, entry)| entry.clone());
        let failed = failed.unwrap_or_default();
        assert_eq!(failed["matcher"], "Bash", "{failed}");
        assert_eq!(failed["hooks"][0]["command"], "nexus hook claude post-tool-use-failure", "{failed}");
        // Whoever only took over the form calls the same one, and may know no other.
        assert!(!events(hooks("codex", BEFORE, "Bash")).contains(&"PostToolUseFailure".to_owned()));
    }
}
