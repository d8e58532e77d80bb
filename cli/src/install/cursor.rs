//! Cursor: hooks, tools, and a rule that it always reads.

use super::{Operation, Plan, Scope, claude, json, skill};
use crate::error::Error;
use jsonc_parser::cst::CstInputValue;
use serde_json::json;

/// Tools that write files; commands for the shell have an event of their own.
const WRITERS: &str = "Write|Edit|MultiEdit|StrReplace|Delete|ApplyPatch|EditNotebook|NotebookEdit";

/// Events before something is written: a hook that cannot even be run stops it when the policy is that nothing is
/// written which nobody has checked.
const BEFORE: [&str; 2] = ["preToolUse", "beforeShellExecution"];

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

pub(super) fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".cursor");
    let (path, servers) = (folder.join("hooks.json"), folder.join("mcp.json"));
    let rule = folder.join("rules/nexus.mdc");
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let wanted = hooks(scope.is_closed);
            claude::settings_with(&mut plan, path, &json!({ "version": 1 }), |root| {
                if root.get("version").is_none() {
                    root.insert(0, "version", CstInputValue::Number("1".to_owned()));
                }
                json::add_hooks(root, &wanted)
            })?;
            let server = json!({ "command": "nexus", "args": ["mcp"] });
            claude::settings_with(&mut plan, servers, &json!({}), |root| json::add_server(root, &server))?;
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
            claude::settings_without(&mut plan, path, &json!({ "version": 1 }))?;
            claude::settings_without(&mut plan, servers, &json!({}))?;
            if !scope.is_user() {
                plan.take(rule)?;
            }
        }
    }
    Ok(plan)
}
