//! Codex CLI: hooks beside its configuration, tools in it, and a few lines in `AGENTS.md`.

use super::{
    Plan, Scope, Wish,
    block::{self, Comment},
    claude, json, skill,
};
use crate::error::Error;
use serde_json::json;
use std::path::Path;

/// Tools whose use is asked about: files are edited by patches.
const TOOLS: &str = "Bash|apply_patch|Edit|Write";

const SERVER: &str = "[mcp_servers.nexus]\ncommand = \"nexus\"\nargs = [\"mcp\"]";

pub(super) fn plan(scope: &Scope, wish: Wish) -> Result<Plan, Error> {
    let folder = scope.folder(".codex");
    let guide = if scope.is_user() { folder.join("AGENTS.md") } else { scope.root.join("AGENTS.md") };
    let (hooks, config) = (folder.join("hooks.json"), folder.join("config.toml"));
    let mut plan = Plan::default();
    match wish {
        Wish::Install => {
            let path = hooks.clone();
            let mut wanted = claude::hooks("codex", TOOLS, "Bash");
            // It knows no end of a session.
            wanted.retain(|(event, _)| event != "SessionEnd");
            plan.edit(hooks, |text| {
                json::edit(&path, text, |root| json::add_hooks(root, &wanted)).map(Some)
            })?;
            let path = config.clone();
            plan.edit(config, |text| with_server(&path, text))?;
            plan.edit(guide, |text| Ok(Some(block::with(text, Comment::Markdown, skill::GUIDE))))?;
            plan.notes.push("Codex skips hooks that nobody trusted, and says nothing: start codex, type /hooks, and trust those of nexus".to_owned());
            if !scope.is_user() {
                plan.notes.push("Codex reads .codex/ only of projects that are trusted".to_owned());
            }
        }
        Wish::Uninstall => {
            claude::json_without(&mut plan, hooks, &json!({}))?;
            plan.edit(config, |text| Ok(text.and_then(|text| block::removed(text, Comment::Hash))))?;
            plan.edit(guide, |text| Ok(text.and_then(|text| block::removed(text, Comment::Markdown))))?;
        }
    }
    Ok(plan)
}

fn with_server(path: &Path, text: Option<&str>) -> Result<Option<String>, Error> {
    let rest = text.and_then(|text| block::removed(text, Comment::Hash)).unwrap_or_default();
    let parsed: toml::Table = rest.parse().map_err(|error: toml::de::Error| {
        Error::local(format!("{} is left as it is: {error}", path.display()))
            .hint("repair it, then run the command again")
    })?;
    if parsed.get("mcp_servers").is_some_and(|servers| servers.get("nexus").is_some()) {
        // Somebody has one of that name: it stays theirs.
        return Ok(text.map(str::to_owned));
    }
    Ok(Some(block::with(text, Comment::Hash, SERVER)))
}
