//! Guards: what an agent's host and Git ask `nexus` before something is written, in real repositories. Only
//! who holds a file edits, commits and pushes it; when no server answers, the policy says what happens.

use nexus_tests::{Agent, Checkout, Cluster, Team, agent::Ended};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Claude's question before it edits a file.
fn before_edit(run: &str, root: &Path, file: &str) -> String {
    json!({ "session_id": run, "cwd": root, "hook_event_name": "PreToolUse", "tool_name": "Edit",
        "tool_input": { "file_path": root.join(file) }, "tool_use_id": "toolu_1" })
    .to_string()
}

/// An agent of Claude, with the id that Claude gave its run.
struct Claude {
    agent: Agent,
    run: &'static str,
    root: PathBuf,
}

impl Claude {
    fn start(checkout: &Checkout, root: PathBuf, run: &'static str) -> Self {
        let mut agent = Agent::start(checkout, &root, "claude");
        let event =
            json!({ "session_id": run, "cwd": root, "hook_event_name": "SessionStart", "source": "startup" });
        agent.runs_with("nexus hook claude session-start", &event.to_string()).done();
        Self { agent, run, root }
    }

    fn may_edit(&mut self, file: &str) -> Ended {
        let event = before_edit(self.run, &self.root, file);
        self.agent.runs_with("nexus hook claude pre-tool-use", &event)
    }

    /// Asks, and edits whatever the answer.
    fn edits(&mut self, file: &str) -> Ended {
        let asked = self.may_edit(file);
        fs::write(self.root.join(file), format!("by {}\n", self.run)).expect("the file can be written");
        asked
    }

    fn runs(&mut self, line: &str) -> Ended {
        self.agent.runs(line)
    }
}

#[track_caller]
fn denied(asked: &Ended, why: &str) {
    assert_eq!(asked.code, 2, "{asked:#?}");
    assert!(asked.stderr.contains(why), "{asked:#?}");
    let answer: Value = asked.json();
    assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "deny", "{answer}");
}

/// A project, and a repository of it with a first commit and somewhere to push to.
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
    checkout.git(&root, &["add", "-A"]);
    checkout.git(&root, &["commit", "-q", "-m", "First"]);
    checkout.git(&root, &["push", "-q", "origin", "main"]);
    (team, checkout)
}

#[tokio::test]
async fn only_who_holds_a_file_edits_commits_and_pushes_it() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let tree = checkout.root().with_file_name("tree");
    checkout.git(&checkout.root(), &["worktree", "add", "-q", "-b", "tree", &tree.display().to_string()]);
    let mut holder = Claude::start(&checkout, checkout.root(), "holder");
    let mut beside = Claude::start(&checkout, checkout.root(), "beside");
    let mut apart = Claude::start(&checkout, tree, "apart");
    holder.runs("nexus install git --yes").done();
    let again = holder.runs("nexus install git --yes").done();
    assert!(again.stdout.contains("Nothing to change"), "{again:#?}");

    holder.runs("nexus feature pick one").done();
    assert_eq!(holder.may_edit("src/a.rs").code, 0);
    denied(&beside.may_edit("src/a.rs"), "src/a.rs is held by Root's agent");
    denied(&apart.may_edit("src/a.rs"), "src/a.rs is held by Root's agent");
    // What nobody holds becomes whose it is that writes first.
    assert_eq!(beside.edits("src/b.rs").code, 0);
    denied(&holder.may_edit("src/b.rs"), "src/b.rs is held by Root's agent");

    // Who writes all the same does not get it into the history, in whichever worktree.
    for other in [&mut beside, &mut apart] {
        other.edits("src/a.rs");
        let refused = other.runs("git commit -q -m Mine src/a.rs");
        assert_ne!(refused.code, 0, "{refused:#?}");
        assert!(refused.stderr.contains("src/a.rs is held by Root's agent"), "{refused:#?}");
    }
    assert_eq!(holder.edits("src/a.rs").code, 0);
    holder.runs("git commit -q -m Ours src/a.rs").done();
    holder.runs("git push -q origin HEAD:one").done();
    beside.runs("git commit -q -m Theirs src/b.rs").done();

    // Nor does who goes round the first guard get it to others, nor through the last one.
    apart.runs("git commit -q --no-verify -m Mine src/a.rs").done();
    let refused = apart.runs("git push -q origin HEAD:tree");
    assert_ne!(refused.code, 0, "{refused:#?}");
    assert!(refused.stderr.contains("src/a.rs is held by Root's agent"), "{refused:#?}");
    let found = apart.runs("nexus verify origin/main..HEAD");
    assert_eq!(found.code, 1, "{found:#?}");

    // Once it is free, it is anybody's.
    holder.runs("nexus feature done one").done();
    apart.runs("git push -q origin HEAD:tree").done();
    holder.runs("nexus uninstall git --yes").done();
    assert!(!checkout.root().join(".git/hooks/pre-commit").exists());
}

#[tokio::test]
async fn what_is_written_while_no_server_answers_is_settled_afterwards() {
    let mut cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "alone");
    cluster.node(1).kill();

    let closed = before_edit(claude.run, &claude.root, "src/a.rs");
    let closed =
        claude.agent.runs_with("NEXUS_HOOK_POLICY=fail-closed nexus hook claude pre-tool-use", &closed);
    denied(&closed, "connection refused");
    for file in ["src/a.rs", "src/b.rs"] {
        let open = claude.edits(file);
        assert_eq!(open.code, 0, "{open:#?}");
        let told = open.json();
        let told = told["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default();
        assert!(told.contains("fail-open") && told.contains(file), "{told}");
    }
    cluster.node(1).start();
    cluster.all_ready().await;

    // Somebody was faster.
    let other = team.agent(&team.admin, "faster").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/b.rs"] })).await.data();
    let asked = claude.runs("nexus claims --mine").done();
    assert!(
        asked.stderr.contains("WARNING: written while no server answered: src/b.rs is held by"),
        "{asked:#?}"
    );
    assert!(asked.stderr.contains("yours now: src/a.rs"), "{asked:#?}");
    let once = claude.runs("nexus claims --mine").done();
    assert!(!once.stderr.contains("WARNING") && once.stdout.contains("src/a.rs"), "{once:#?}");
    assert_eq!(claude.may_edit("src/a.rs").code, 0);
    denied(&claude.may_edit("src/b.rs"), "src/b.rs is held by Root's agent \"faster\"");
}
