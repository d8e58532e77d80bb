//! The events of agents' hosts, each in its own format, and the answers.

use super::{Claude, agent_text, denied, repository, shell};
use nexus_tests::{Agent, Checkout, Cluster, agent::CommandOutput};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

#[tokio::test]
async fn a_shell_command_is_checked_before_and_after_it_runs() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "shell");
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs", "src/deep/x.rs"] })).await.data();
    let why = "src/a.rs is held by Root's agent \"other\"";
    for command in [
        "rm src/a.rs",
        "rm -rf src",
        "cd src && sed -i s/a/b/ *.rs",
        "git commit -m \"$(cat <<'EOF'\nDon't\nEOF\n)\" && rm src/a.rs",
        "find src -name '*.rs' -exec rm {} +",
        "find . -delete",
        "git checkout HEAD src/a.rs",
        "echo x > \"$SOMEWHERE/a.rs\"",
        "true || cd /tmp; echo x > src/a.rs",
        "echo src/a.rs | xargs sed -i s/a/b/",
        "env -S 'bash -c \"rm src/a.rs\"'",
        "tar xf backup.tar",
        "python3 -c \"open('src/a.rs', 'w').write('')\"",
    ] {
        denied(&claude.may_run(command), "is held by Root's agent \"other\"");
    }
    fs::write(checkout.root().join("src/a.rs"), "theirs, not committed\n").expect("it can be written");
    denied(&claude.may_run("git reset --hard"), why);
    for command in [
        "cat src/a.rs",
        "find docs -name '*.rs' -delete",
        "ls src/* > /dev/null",
        "git checkout main",
        "rm \"$SOMETHING\"",
        "tar xf backup.tar -C /tmp",
        "python3 -c \"print(open('src/a.rs').read())\"",
    ] {
        let asked = claude.may_run(command);
        assert_eq!((asked.code, asked.stdout.as_str()), (0, ""), "{command}: {asked:#?}");
    }
    let taken = claude.may_run("echo x > src/new.rs");
    assert!(agent_text(&taken).contains("src/new.rs was free and is yours alone now"), "{taken:#?}");

    // A change while a command runs may be the holder's own work: it is reported, and stops nobody.
    claude.may_run("make").done();
    fs::write(checkout.root().join("src/a.rs"), "theirs again\n").expect("it can be written");
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(agent_text(&after).contains(why), "{after:#?}");
    assert_eq!(after.json()["decision"], Value::Null, "{after:#?}");
    // Git could not restore it: a copy of the earlier content was kept.
    let copy = agent_text(&after).lines().find_map(|line| line.strip_prefix("cp ")).map(str::to_owned);
    let copy = copy.expect("it is said how to get it back");
    let copy = copy.split(' ').next().expect("the copy comes first").trim_matches('\'');
    assert_eq!(fs::read_to_string(copy).expect("it is there"), "theirs, not committed\n");
    // A file that was as in HEAD can be restored, whatever the times of the file that replaced it.
    checkout.git(&checkout.root(), &["checkout", "-q", "src/a.rs"]);
    claude.may_run("make").done();
    fs::write(checkout.root().join("src/a.rs"), "old\n").expect("it can be written");
    let file = fs::File::options().write(true).open(checkout.root().join("src/a.rs")).expect("it is there");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("its time can be set");
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(agent_text(&after).contains(why) && agent_text(&after).contains(":./src/a.rs > "), "{after:#?}");
    // A file that the tool is meant to write is its own.
    let edit = json!({ "tool_name": "Edit", "tool_use_id": "toolu_3", "tool_input": { "file_path": checkout.root().join("src/a.rs") } });
    let after = claude.asks("post-tool-use", edit).done().json();
    assert_eq!(after["decision"], "block", "{after}");
    assert!(after["reason"].as_str().is_some_and(|reason| reason.contains(why)), "{after}");
}

#[tokio::test]
async fn a_held_folder_stops_no_command_that_most_likely_writes_elsewhere() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    fs::create_dir(checkout.root().join("src/deep")).expect("the folder can be made");
    fs::write(checkout.root().join("src/deep/x.rs"), "theirs\n").expect("it can be written");
    let mut claude = Claude::start(&checkout, checkout.root(), "folders");
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/deep/", "notes/plan.md"] })).await.data();
    for command in [
        "make > \"$LOGS/report.json\"",
        "rm -f \"$WORK/a.txt\"",
        "find . -name '*.pyc' -delete",
        "find . -name node_modules -prune -exec rm -rf {} +",
        "cd \"$(dirname \"$0\")\" && echo x > notes.md",
        "make | tee \"$(date +%s).log\"",
        "T=$(mktemp -d /tmp/foo.XXXXXX); echo x > \"$T/a.txt\"",
        "wget -qO- http://127.0.0.1/x",
    ] {
        let asked = claude.may_run(command);
        assert_eq!((asked.code, asked.stdout.as_str()), (0, ""), "{command}: {asked:#?}");
    }
    for command in [
        "rm -f \"$WORK/x.rs\"",
        "find . -name '*.rs' -exec sed -i s/a/b/ {} +",
        "echo x > \"src/deep/$NAME.rs\"",
        "echo x > \"$WORK/plan.md\"",
    ] {
        denied(&claude.may_run(command), "is held by Root's agent \"other\"");
    }
}

#[tokio::test]
async fn a_checkpoint_is_saved_before_an_agent_compacts_or_stops() {
    let mut cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "stops");
    let brief = agent_text(&claude.begins().done());
    assert!(brief.contains("Free: one: one") && brief.len() < 8_000, "{brief}");
    claude.runs("nexus feature pick one").done();
    let brief = agent_text(&claude.begins().done());
    assert!(brief.contains("You work on one: one") && brief.contains("Yours: src/a.rs"), "{brief}");

    let one = team.admin.get(&team.path("/features/one")).await.data()["id"].clone();
    let latest =
        team.path(&format!("/sessions/checkpoints/latest?featureId={}", one.as_str().expect("an id")));
    for event in ["pre-compact", "subagent-stop", "stop"] {
        let answer = claude.asks(event, json!({ "trigger": "auto", "stop_hook_active": false })).done();
        assert_eq!(answer.stdout, "", "{event}: {answer:#?}");
        let checkpoint = team.admin.get(&latest).await.data().clone();
        assert_eq!(checkpoint["context"]["event"], event, "{checkpoint}");
        assert_eq!(checkpoint["context"]["gitBranch"], "main", "{checkpoint}");
    }

    // An agent that stops with files that are no longer its own is warned once.
    cluster.node(1).kill();
    claude.edits("src/b.rs").done();
    let asleep = claude.asks("stop", json!({ "stop_hook_active": false })).done();
    assert_eq!(asleep.stdout, "", "{asleep:#?}");
    cluster.node(1).start();
    cluster.all_ready().await;
    let other = team.agent(&team.admin, "faster").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/b.rs"] })).await.data();
    let again = claude.asks("stop", json!({ "stop_hook_active": true })).done();
    assert_eq!(again.stdout, "", "{again:#?}");
    let stopped = claude.asks("stop", json!({ "stop_hook_active": false })).done().json();
    assert_eq!(stopped["decision"], "block", "{stopped}");
    assert!(
        stopped["reason"].as_str().is_some_and(|reason| reason.contains("src/b.rs is held by")),
        "{stopped}"
    );
    let once = claude.asks("stop", json!({ "stop_hook_active": false })).done();
    assert_eq!(once.stdout, "", "{once:#?}");

    // A run with claims goes on when its host only clears the conversation.
    claude.asks("session-end", json!({ "reason": "clear" })).done();
    assert_eq!(team.admin.get(&team.path("/features/one")).await.data()["status"], "active");
    claude.run = "cleared";
    let brief = claude.asks("session-start", json!({ "source": "clear" })).done();
    assert!(agent_text(&brief).contains("You work on one: one"), "{brief:#?}");
    assert_eq!(claude.may_edit("src/a.rs").code, 0);

    // It also goes on when its host resumes or forks another conversation in the same process, and comes back.
    for (run, source) in
        [("resumed", "resume"), ("forked", "fork"), ("stops", "resume"), ("resumed", "resume")]
    {
        claude.asks("session-end", json!({ "reason": "other" })).done();
        claude.run = run;
        let brief = claude.asks("session-start", json!({ "source": source })).done();
        assert!(agent_text(&brief).contains("You work on one: one"), "{run}: {brief:#?}");
        assert_eq!(claude.edits("src/a.rs").code, 0, "{run}");
        let mine = claude.runs("nexus claims --mine --json").done().json();
        assert_eq!(mine[0]["filePath"], "src/a.rs", "{run}: {mine}");
    }
    // Another agent that this one starts is a run of its own, whatever conversation it resumes.
    let input = json!({ "session_id": "inner", "cwd": checkout.root(), "source": "resume" }).to_string();
    let line =
        format!("exec -a claude bash -c 'echo \"$1\" | nexus hook claude session-start' claude '{input}'");
    let inner = claude.runs(&line).done();
    assert!(!agent_text(&inner).contains("You work on one"), "{inner:#?}");
    assert_eq!(claude.may_edit("src/a.rs").code, 0);
}

#[tokio::test]
async fn a_session_without_work_is_no_longer_reported_and_ends_with_its_host() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "done");
    claude.begins().done();
    claude.runs("nexus feature pick one").done();
    claude.runs("nexus feature done one").done();
    let sessions = team.path("/sessions/active");
    let sole = team.admin.get(&sessions).await.data()[0]["session"].clone();
    assert_eq!(sole["featureId"], Value::Null, "{sole}");

    claude.asks("pre-compact", json!({ "trigger": "auto" })).done();
    let one = team.admin.get(&team.path("/features/one")).await.data()["id"].clone();
    let latest = format!("/sessions/checkpoints/latest?featureId={}", one.as_str().expect("an id"));
    assert_eq!(team.admin.get(&team.path(&latest)).await.body["data"], Value::Null);

    claude.asks("session-end", json!({ "reason": "other" })).done();
    assert_eq!(team.admin.get(&sessions).await.data(), &json!([]));
}

/// An agent of another host, with the fields that the host sends in all events.
struct Hosted {
    agent: Agent,
    host: &'static str,
    common: Value,
    root: PathBuf,
}

impl Hosted {
    fn start(checkout: &Checkout, host: &'static str, program: &str, common: Value) -> Self {
        let root = checkout.root();
        let agent = Agent::start(checkout, &root, program);
        Self { agent, host, common, root }
    }

    fn asks(&mut self, event: &str, more: Value) -> CommandOutput {
        let mut input = self.common.clone();
        for (name, value) in more.as_object().expect("an object") {
            input[name] = value.clone();
        }
        self.agent.runs_with(&format!("nexus hook {} {event}", self.host), &input.to_string())
    }
}

/// Another agent holds `src/a.rs`.
const WHY: &str = "src/a.rs is held by Root's agent \"other\"";

async fn held() -> (Cluster, nexus_tests::Team, Checkout) {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    (cluster, team, checkout)
}

#[track_caller]
fn assert_contains(answer: &Value, expected: &str) {
    assert!(answer.as_str().is_some_and(|text| text.contains(expected)), "{answer} has no {expected:?}");
}

#[tokio::test]
async fn codex_is_guarded_in_its_own_form() {
    let (_cluster, team, checkout) = held().await;
    let common = json!({ "session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53", "cwd": checkout.root(), "turn_id": "t" });
    let mut codex = Hosted::start(&checkout, "codex", "codex", common);
    let started = codex.asks("session-start", json!({ "source": "startup" })).done().json();
    assert_contains(
        &started["hookSpecificOutput"]["additionalContext"],
        WHY.split(" is held").next().unwrap_or_default(),
    );

    let patch = |files: &[&str]| {
        let body: String =
            files.iter().map(|file| format!("*** Update File: {file}\n@@\n-x\n+y\n")).collect();
        json!({ "tool_name": "apply_patch", "tool_use_id": "call_1",
            "tool_input": { "command": format!("*** Begin Patch\n{body}*** End Patch\n") } })
    };
    denied(&codex.asks("pre-tool-use", patch(&["src/b.rs", "src/a.rs"])), WHY);
    assert_eq!(team.admin.get(&team.path("/claims")).await.data().as_array().map(Vec::len), Some(1));
    let taken = codex.asks("pre-tool-use", patch(&["src/b.rs"])).done();
    assert!(agent_text(&taken).contains("src/b.rs was free"), "{taken:#?}");
    denied(
        &codex
            .asks("pre-tool-use", json!({ "tool_name": "Bash", "tool_input": { "command": "rm src/a.rs" } })),
        WHY,
    );
    // A command that Codex runs belongs to the same run.
    let mine = codex.agent.runs("nexus claims --mine --json").done().json();
    assert_eq!(mine[0]["filePath"], "src/b.rs", "{mine}");
    codex.asks("stop", json!({ "stop_hook_active": false })).done();
}

#[tokio::test]
async fn cursor_is_guarded_in_its_own_form() {
    let (_cluster, _team, checkout) = held().await;
    let common = json!({ "conversation_id": "668320d2-2fd8-4888-b33c-2a466fec86e7", "generation_id": "g",
        "workspace_roots": [checkout.root()], "cursor_version": "2.4" });
    let mut cursor = Hosted::start(&checkout, "cursor", "cursor-agent", common);
    let started = cursor.asks("session-start", json!({ "is_background_agent": false })).done().json();
    assert_contains(&started["additional_context"], "Nexus coordinates");

    let write = |file: PathBuf| json!({ "tool_name": "Write", "tool_input": { "file_path": file } });
    let (root, denied) = (cursor.root.clone(), |asked: &CommandOutput| {
        assert_eq!(asked.code, 2, "{asked:#?}");
        assert!(asked.stderr.contains(WHY), "{asked:#?}");
        assert_eq!(asked.json()["permission"], "deny", "{asked:#?}");
        assert_contains(&asked.json()["agent_message"], WHY);
    });
    denied(&cursor.asks("pre-tool-use", write(root.join("src/a.rs"))));
    let command = json!({ "command": "rm a.rs", "cwd": root.join("src") });
    denied(&cursor.asks("before-shell-execution", command));
    let taken = cursor.asks("pre-tool-use", write(root.join("src/b.rs"))).done().json();
    assert_contains(&taken["agent_message"], "src/b.rs was free");
    assert_eq!(taken["permission"], Value::Null, "{taken}");
    let after = cursor.asks("after-file-edit", json!({ "file_path": root.join("src/a.rs") })).done().json();
    assert_contains(&after["additional_context"], WHY);
    // It calls Claude's hooks as well: they belong to the same run.
    cursor.host = "claude";
    let again = cursor.asks("pre-tool-use", write(root.join("src/b.rs"))).done();
    assert_eq!(again.stdout, "", "{again:#?}");
}

#[tokio::test]
async fn gemini_is_guarded_in_its_own_form() {
    let (_cluster, _team, checkout) = held().await;
    let common =
        json!({ "session_id": "a4f7c2d1", "cwd": checkout.root(), "timestamp": "2026-01-31T12:00:00.000Z" });
    let mut gemini = Hosted::start(&checkout, "gemini", "gemini", common);
    let started = gemini.asks("session-start", json!({ "source": "startup" })).done().json();
    assert_contains(&started["hookSpecificOutput"]["additionalContext"], "Nexus coordinates");

    let write =
        |file: &str| json!({ "tool_name": "write_file", "tool_input": { "file_path": file, "content": "" } });
    let command = json!({ "tool_name": "run_shell_command", "tool_input": { "command": "rm a.rs", "dir_path": "src" } });
    for asked in [gemini.asks("before-tool", write("src/a.rs")), gemini.asks("before-tool", command)] {
        assert_eq!(asked.code, 2, "{asked:#?}");
        assert!(asked.stderr.contains(WHY), "{asked:#?}");
        assert_eq!(asked.json()["decision"], "deny", "{asked:#?}");
        assert_contains(&asked.json()["reason"], WHY);
    }
    let taken = gemini.asks("before-tool", write("src/b.rs")).done();
    assert!(agent_text(&taken).contains("src/b.rs was free"), "{taken:#?}");
    let after = gemini.asks("after-tool", write("src/a.rs")).done();
    assert!(agent_text(&after).contains(WHY), "{after:#?}");
    gemini.asks("after-agent", json!({ "prompt": "", "stop_hook_active": false })).done();
}
