//! Codex CLI. It has Claude's form, but discards an answer with a field that it does not know. It edits files by
//! patches. Hooks stand beside its configuration, tools in it, and a few lines in `AGENTS.md`.

use super::{AgentHost, EventKind, HookAnswer, HookEvent, Input, Verdict, claude};
use crate::{
    error::Error,
    install::{
        Operation, Plan, Scope,
        block::{self, Comment},
        json, skill,
    },
};
use serde_json::json;
use std::path::PathBuf;

/// Codex CLI. Its hooks cannot add variables: Codex discards an answer that has an unknown field.
pub(super) static CODEX: AgentHost = AgentHost {
    name: "codex",
    title: "Codex CLI",
    program: "codex",
    programs: &["codex"],
    settings_folder: ".codex",
    project_folder_variable: None,
    run_id_variable: Some("CODEX_THREAD_ID"),
    commands_file_variable: None,
    // Codex does not say whether they are trusted, and no file does.
    caveat: Some("Codex skips those that nobody trusted: /hooks in codex shows them"),
    read,
    answer,
    plan,
};

/// Tools before whose use Codex calls the hook.
const TOOLS: &str = "Bash|apply_patch|Edit|Write";

const SERVER: &str = "[mcp_servers.nexus]\ncommand = \"nexus\"\nargs = [\"mcp\"]";

/// The same for a configuration with all servers in one line.
const ONE_LINE: &str = "nexus = { command = \"nexus\", args = [\"mcp\"] }";

fn read(event: &str, input: Input<'_>) -> HookEvent {
    claude::shared(CODEX.name, event, input)
}

fn answer(event: &HookEvent, verdict: &Verdict) -> HookAnswer {
    match (event.kind, verdict) {
        // Codex expects no answer to these.
        (EventKind::SessionEnd | EventKind::Unknown, _) => HookAnswer::nothing(),
        (EventKind::BeforeCompact, Verdict::Inform(text) | Verdict::Refuse(text)) => {
            HookAnswer::json(json!({ "systemMessage": text }))
        }
        _ => claude::answer(event, verdict),
    }
}

fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    let folder = scope.folder(".codex");
    let guide = if scope.is_user() { folder.join("AGENTS.md") } else { scope.root.join("AGENTS.md") };
    let (hooks, config) = (folder.join("hooks.json"), folder.join("config.toml"));
    let mut plan = Plan::new(scope.base());
    match operation {
        Operation::Install => {
            let mut wanted = claude::hooks("codex", TOOLS, "Bash");
            // Codex has no event at the end of a session.
            wanted.retain(|(event, _)| event != "SessionEnd");
            json::put_in(&mut plan, hooks, &json!({}), |root| json::add_hooks(root, &wanted))?;
            add_server(&mut plan, config)?;
            skill::add_guide(&mut plan, guide)?;
            plan.notes.push("Codex skips hooks that nobody trusted, and says nothing: start codex, type /hooks, and trust those of nexus".to_owned());
            if !scope.is_user() {
                plan.notes.push("Codex reads .codex/ only of projects that are trusted".to_owned());
            }
        }
        Operation::Uninstall => {
            json::take_out(&mut plan, hooks, &json!({}))?;
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
        // The user has a server of that name, which stays.
        return Ok(());
    }
    // If the servers stand in one line, no table can be added.
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
    use super::*;
    use crate::{hosts::Tool, install::Base};
    use serde_json::Value;
    use std::fs;

    fn before(tool: &str, arguments: Value) -> HookEvent {
        let input = json!({ "session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53", "turn_id": "t", "transcript_path": null,
            "cwd": "/repo/app", "hook_event_name": "PreToolUse", "model": "gpt", "permission_mode": "default",
            "tool_name": tool, "tool_input": arguments, "tool_use_id": "call_1" });
        read("pre-tool-use", Input(&input))
    }

    #[test]
    fn a_patch_names_all_its_files() {
        let patch = "*** Begin Patch\n*** Update File: src/a.rs\n*** Move to: src/b.rs\n@@\n-x\n+y\n*** Add File: new.txt\n+hello\n\
                     *** Delete File: old.txt\n*** End Patch\n";
        let read = before("apply_patch", json!({ "command": patch }));
        let paths = ["src/a.rs", "src/b.rs", "new.txt", "old.txt"].map(PathBuf::from);
        assert_eq!(read.tool, Tool::Edit(paths.to_vec()));
        assert_eq!(read.host, CODEX.name);
    }

    #[test]
    fn a_command_may_come_as_words() {
        let read =
            before("shell", json!({ "command": ["bash", "-lc", "rm src/a.rs"], "workdir": "/repo/app/sub" }));
        let folder = Some(PathBuf::from("/repo/app/sub"));
        assert_eq!(read.tool, Tool::Shell { command: "rm src/a.rs".to_owned(), folder });
        let read = before("shell", json!({ "command": ["rm", "it's"] }));
        assert_eq!(read.tool, Tool::Shell { command: r#"rm "it's""#.to_owned(), folder: None });
    }

    #[test]
    fn it_is_answered_in_the_form_of_claude() {
        let denied = answer(&before("Bash", json!({})), &Verdict::Refuse("held".to_owned()));
        assert_eq!(denied.stdout.unwrap_or_default()["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!((denied.stderr.as_deref(), denied.code), (Some("held"), 2));
        let end = read("session-end", Input(&json!({})));
        assert_eq!(answer(&end, &Verdict::Inform("x".to_owned())), HookAnswer::nothing());
    }

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
            let is_noted = plan.notes.iter().any(|note| note.contains(ONE_LINE));
            assert!(is_noted != now["mcp_servers"].get("nexus").is_some(), "{now}");
        }
    }
}
