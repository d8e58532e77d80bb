//! Guards: an agent's host and Git ask `nexus` before they write, in real repositories. Only the holder of a file
//! edits, commits and pushes it. When no server answers, the policy decides.
//!
//! - [`commits`]: the hooks of Git. [`events`]: the events of each host, with the answers. [`silence`]: no server
//!   answers, or one answers something else, or not in time. [`afterwards`]: the check after a command.
//! - [`filled`]: repositories with hostile content. [`settings`]: settings of Git, and kinds of checkouts.
//!   [`unreadable`]: events that cannot be parsed.
//! - [`receipts`]: what a commit says about the claim under which it was made.

mod afterwards;
mod commits;
mod events;
mod filled;
mod receipts;
mod settings;
mod silence;
mod unreadable;

use nexus_tests::{Agent, Checkout, Cluster, Team, agent::CommandOutput};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A Claude agent, with the id that Claude gave its run.
struct Claude {
    agent: Agent,
    run: &'static str,
    root: PathBuf,
}

impl Claude {
    fn start(checkout: &Checkout, root: PathBuf, run: &'static str) -> Self {
        let agent = Agent::start(checkout, &root, "claude");
        let mut claude = Self { agent, run, root };
        claude.begins().done();
        claude
    }

    /// Sends Claude's event at the start of a run.
    fn begins(&mut self) -> CommandOutput {
        self.asks("session-start", json!({ "source": "startup" }))
    }

    /// Sends one of Claude's events, in Claude's format.
    fn asks(&mut self, event: &str, more: Value) -> CommandOutput {
        self.asks_with("", event, more)
    }

    /// The same, with environment variables in front.
    fn asks_with(&mut self, environment: &str, event: &str, more: Value) -> CommandOutput {
        let mut input = json!({ "session_id": self.run, "cwd": self.root, "transcript_path": "/nowhere" });
        for (name, value) in more.as_object().expect("an object") {
            input[name] = value.clone();
        }
        self.agent.runs_with(&format!("{environment} nexus hook claude {event}"), &input.to_string())
    }

    /// Sends Claude's event before it edits a file.
    fn may_edit(&mut self, file: &str) -> CommandOutput {
        self.may_edit_with("", file)
    }

    fn may_edit_with(&mut self, environment: &str, file: &str) -> CommandOutput {
        let edit = json!({ "tool_name": "Edit", "tool_use_id": "toolu_1",
            "tool_input": { "file_path": self.root.join(file), "old_string": "a", "new_string": "b" } });
        self.asks_with(environment, "pre-tool-use", edit)
    }

    /// Sends the event, and edits the file whatever the answer.
    fn edits(&mut self, file: &str) -> CommandOutput {
        let asked = self.may_edit(file);
        let path = self.root.join(file);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{before}by {}\n", self.run)).expect("the file can be written");
        asked
    }

    /// Sends Claude's event before it runs a command.
    fn may_run(&mut self, command: &str) -> CommandOutput {
        self.asks("pre-tool-use", shell(command))
    }

    fn runs(&mut self, line: &str) -> CommandOutput {
        self.agent.runs(line)
    }
}

/// A command as Claude's tool.
fn shell(command: &str) -> Value {
    json!({ "tool_name": "Bash", "tool_use_id": "toolu_2", "tool_input": { "command": command } })
}

/// The text for the agent beside a permission, or after a tool.
#[track_caller]
fn agent_text(asked: &CommandOutput) -> String {
    let answer = asked.json();
    answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn denied(asked: &CommandOutput, why: &str) {
    assert_eq!(asked.code, 2, "{asked:#?}");
    assert!(asked.stderr.contains(why), "{asked:#?}");
    let answer: Value = asked.json();
    assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "deny", "{answer}");
}

/// Checks that Git was refused, with this text.
#[track_caller]
fn refused(ended: &CommandOutput, why: &str) {
    assert_ne!(ended.code, 0, "{ended:#?}");
    assert!(ended.stderr.contains(why), "{ended:#?}");
}

/// A project, and a repository of it with a first commit and a remote.
async fn repository(cluster: &Cluster) -> (Team, Checkout) {
    let team = Team::of(cluster).await;
    let checkout =
        Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"));
    let root = checkout.root();
    let shared = root.with_file_name("shared.git");
    checkout.git(&root, &["init", "-q", "--bare", &shared.display().to_string()]);
    checkout.git(&root, &["remote", "add", "origin", &shared.display().to_string()]);
    for file in ["src/a.rs", "src/b.rs"] {
        fs::write(root.join(file), "first\n").expect("the file can be written");
    }
    // The link of a repository need not be committed.
    fs::write(root.join(".git/info/exclude"), ".nexus*\n.worktrees\n").expect("the file can be written");
    checkout.git(&root, &["add", "-A"]);
    checkout.git(&root, &["commit", "-q", "-m", "First"]);
    checkout.git(&root, &["push", "-q", "origin", "main"]);
    (team, checkout)
}

/// Adds a worktree of the checkout at a path, with a branch of its own.
fn worktree(checkout: &Checkout, at: &Path, branch: &str) {
    checkout.git(&checkout.root(), &["worktree", "add", "-q", "-b", branch, &at.display().to_string()]);
}
