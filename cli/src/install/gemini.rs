//! Gemini CLI: hooks and tools in its settings, and a few lines in `GEMINI.md`.

use super::{Operation, Plan, Scope, claude, json, skill};
use crate::error::Error;
use serde_json::json;

/// Milliseconds that Gemini waits for a hook, which itself gives up sooner.
const TIMEOUT_MS: u64 = 10_000;

/// Tools whose use is asked about.
const WRITERS: &str = "write_file|replace|edit|run_shell_command";

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

pub(super) fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".gemini");
    let guide = if scope.is_user() { folder.join("GEMINI.md") } else { scope.root.join("GEMINI.md") };
    let path = folder.join("settings.json");
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let server = json!({ "command": "nexus", "args": ["mcp"] });
            claude::settings_with(&mut plan, path, &json!({}), |root| {
                json::add_hooks(root, &hooks())?;
                json::add_server(root, &server)
            })?;
            skill::add_guide(&mut plan, guide)?;
        }
        Operation::Uninstall => {
            claude::settings_without(&mut plan, path, &json!({}))?;
            skill::remove_guide(&mut plan, guide)?;
        }
    }
    Ok(plan)
}
