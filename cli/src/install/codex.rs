//! Codex CLI: hooks beside its configuration, tools in it, and a few lines in `AGENTS.md`.

use super::{
    Operation, Plan, Scope,
    block::{self, Comment},
    claude, json, skill,
};
use crate::error::Error;
use serde_json::json;
use std::path::PathBuf;

/// Tools whose use is asked about: files are edited by patches.
const TOOLS: &str = "Bash|apply_patch|Edit|Write";

const SERVER: &str = "[mcp_servers.nexus]\ncommand = \"nexus\"\nargs = [\"mcp\"]";

/// The same, for whoever has all servers in one line.
const ONE_LINE: &str = "nexus = { command = \"nexus\", args = [\"mcp\"] }";

pub(super) fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".codex");
    let guide = if scope.is_user() { folder.join("AGENTS.md") } else { scope.root.join("AGENTS.md") };
    let (hooks, config) = (folder.join("hooks.json"), folder.join("config.toml"));
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let mut wanted = claude::hooks("codex", TOOLS, "Bash");
            // It knows no end of a session.
            wanted.retain(|(event, _)| event != "SessionEnd");
            claude::settings_with(&mut plan, hooks, &json!({}), |root| json::add_hooks(root, &wanted))?;
            add_server(&mut plan, config)?;
            skill::add_guide(&mut plan, guide)?;
            plan.notes.push("Codex skips hooks that nobody trusted, and says nothing: start codex, type /hooks, and trust those of nexus".to_owned());
            if !scope.is_user() {
                plan.notes.push("Codex reads .codex/ only of projects that are trusted".to_owned());
            }
        }
        Operation::Uninstall => {
            claude::settings_without(&mut plan, hooks, &json!({}))?;
            plan.take_out(config, |text| Ok(block::taken(text, Comment::Hash)))?;
            skill::remove_guide(&mut plan, guide)?;
        }
    }
    Ok(plan)
}

fn add_server(plan: &mut Plan, path: PathBuf) -> Result<(), Error> {
    let text = plan.read(&path)?.unwrap_or_default();
    let rest = block::taken(&text, Comment::Hash).text;
    let parsed: toml::Table = rest.parse().map_err(|error: toml::de::Error| {
        Error::local(format!("{} is left as it is: {error}", path.display()))
            .hint("repair it, then run the command again")
    })?;
    if parsed.get("mcp_servers").is_some_and(|servers| servers.get("nexus").is_some()) {
        // Somebody has one of that name: it stays theirs.
        return Ok(());
    }
    // Where the servers stand in one line, no table can be added to them.
    if block::with(Some(&rest), Comment::Hash, SERVER).parse::<toml::Table>().is_err() {
        plan.notes.push(format!(
            "{} stays as it is: its mcp_servers are in a form that nothing can be added to. Add {ONE_LINE} to them by hand",
            path.display()
        ));
        return Ok(());
    }
    plan.put_in(
        path,
        |text| Ok(block::with(text, Comment::Hash, SERVER)),
        |text| Ok(block::taken(text, Comment::Hash)),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::location::Base, *};
    use std::fs;

    #[test]
    fn servers_in_one_line_are_not_made_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for text in
            ["mcp_servers = { docs = { command = \"docs\" } }\n", "mcp_servers.docs.command = \"docs\"\n"]
        {
            fs::write(&path, text).unwrap();
            let mut plan = Plan::new(Base::Repository(folder.path().to_owned()));
            add_server(&mut plan, path.clone()).unwrap();
            for change in &plan.changes {
                change.apply().unwrap();
            }
            let now: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
            assert_eq!(now["mcp_servers"]["docs"]["command"].as_str(), Some("docs"));
            let is_told = plan.notes.iter().any(|note| note.contains(ONE_LINE));
            assert!(is_told != now["mcp_servers"].get("nexus").is_some(), "{now}");
        }
    }
}
