//! Cursor: hooks, tools, and a rule that it always reads.

use super::{Plan, Scope, Wish, claude, json, skill};
use crate::error::Error;
use serde_json::{Value, json};

/// Tools that write files; commands for the shell have an event of their own.
const WRITERS: &str = "Write|Edit|MultiEdit|StrReplace|Delete|ApplyPatch|EditNotebook|NotebookEdit";

fn hooks() -> Vec<json::Hook> {
    let entry = |name: &str, event: &str, matcher: Option<&str>| -> json::Hook {
        let command = format!("nexus hook cursor {event}");
        let entry = matcher.map_or_else(
            || json!({ "command": command }),
            |matcher| json!({ "command": command, "matcher": matcher }),
        );
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

pub(super) fn plan(scope: &Scope, wish: Wish) -> Result<Plan, Error> {
    let folder = scope.folder(".cursor");
    let (path, servers) = (folder.join("hooks.json"), folder.join("mcp.json"));
    let rule = folder.join("rules/nexus.mdc");
    let mut plan = Plan::default();
    match wish {
        Wish::Install => {
            let named = path.clone();
            plan.edit(path, |text| {
                let change = |root: &jsonc_parser::cst::CstObject| {
                    if root.get("version").is_none() {
                        root.insert(0, "version", jsonc_parser::cst::CstInputValue::Number("1".to_owned()));
                    }
                    json::add_hooks(root, &hooks())
                };
                json::edit(&named, text, change).map(Some)
            })?;
            let named = servers.clone();
            let server: Value = json!({ "command": "nexus", "args": ["mcp"] });
            plan.edit(servers, |text| {
                json::edit(&named, text, |root| json::add_server(root, &server)).map(Some)
            })?;
            // Cursor has no file for the rules of a person.
            if !scope.is_user() {
                let text = format!(
                    "---\ndescription: Coordinate with other agents\nalwaysApply: true\n---\n\n{}",
                    skill::GUIDE
                );
                plan.own(rule, Some(&text))?;
            }
        }
        Wish::Uninstall => {
            claude::json_without(&mut plan, path, &json!({ "version": 1 }))?;
            claude::json_without(&mut plan, servers, &json!({}))?;
            if !scope.is_user() {
                plan.own(rule, None)?;
            }
        }
    }
    Ok(plan)
}
