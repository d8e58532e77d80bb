//! The check after a command: it happens however the command ends, wherever it starts, and whatever it did to Git. A
//! missing check is reported.

use super::{Claude, agent_text, repository, shell};
use nexus_tests::{Checkout, Cluster, Team, agent::CommandOutput};
use serde_json::{Value, json};
use std::{fs, path::Path};

const WHY: &str = "src/a.rs is held by Root's agent \"other\"";

/// The report of a missing check.
const GAP: &str = "did not look at all that a command may have changed";

/// One agent holds `src/a.rs`, and another one works in the same checkout.
async fn held(run: &'static str) -> (Cluster, Team, Checkout, Claude) {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    let claude = Claude::start(&checkout, checkout.root(), run);
    (cluster, team, checkout, claude)
}

/// A command as Claude's tool, with its own tool-use id.
fn used(command: &str, call: &str) -> Value {
    json!({ "tool_name": "Bash", "tool_use_id": call, "tool_input": { "command": command } })
}

fn writes(root: &Path, text: &str) {
    fs::write(root.join("src/a.rs"), text).expect("it can be written");
}

/// The answer when Claude wants to stop.
fn stops(claude: &mut Claude) -> CommandOutput {
    claude.asks("stop", json!({ "stop_hook_active": false })).done()
}

#[tokio::test]
async fn a_command_is_checked_however_it_ends() {
    let (_cluster, _team, checkout, mut claude) = held("ends").await;
    let root = checkout.root();
    // With an error, for which Claude has another hook.
    claude.asks("pre-tool-use", used("make", "toolu_1")).done();
    writes(&root, "by a failing command\n");
    let failed = claude.asks("post-tool-use-failure", used("make", "toolu_1")).done();
    assert!(agent_text(&failed).contains(WHY), "{failed:#?}");
    assert_eq!(failed.json()["hookSpecificOutput"]["hookEventName"], "PostToolUseFailure", "{failed:#?}");

    // Without an event of its host: the check comes before the next tool, whichever it is, and is reported once.
    for next in [
        used("ls", "toolu_3"),
        json!({ "tool_name": "Edit", "tool_use_id": "toolu_3", "tool_input": { "file_path": root.join("src/b.rs") } }),
    ] {
        claude.asks("pre-tool-use", used("make", "toolu_2")).done();
        writes(&root, &format!("by a killed command before {next}\n"));
        let asked = claude.asks("pre-tool-use", next.clone()).done();
        assert!(agent_text(&asked).contains(WHY), "{next}: {asked:#?}");
        let asked = claude.asks("pre-tool-use", next.clone()).done();
        assert!(!asked.stdout.contains(WHY), "{next}: {asked:#?}");
        claude.asks("stop", json!({ "stop_hook_active": true })).done();
    }

    // The last chance for the check is when the agent stops.
    claude.asks("pre-tool-use", used("make", "toolu_4")).done();
    writes(&root, "by the last command\n");
    let stopped = stops(&mut claude).json();
    assert_eq!(stopped["decision"], "block", "{stopped}");
    assert!(stopped["reason"].as_str().is_some_and(|reason| reason.contains(WHY)), "{stopped}");
    assert_eq!(stops(&mut claude).stdout, "");
    // Changes while no command runs are the holder's own.
    writes(&root, "by its holder\n");
    assert_eq!(claude.asks("pre-tool-use", used("make", "toolu_5")).done().stdout, "");
    assert_eq!(claude.asks("post-tool-use", used("make", "toolu_5")).done().stdout, "");

    // Two commands at the same time report each change once.
    for call in ["toolu_6", "toolu_7"] {
        assert_eq!(claude.asks("pre-tool-use", used("make", call)).done().stdout, "");
    }
    writes(&root, "by one of two\n");
    let first = claude.asks("post-tool-use", used("make", "toolu_7")).done();
    assert!(agent_text(&first).contains(WHY), "{first:#?}");
    assert_eq!(claude.asks("post-tool-use", used("make", "toolu_6")).done().stdout, "");
}

#[tokio::test]
async fn a_command_that_changes_thousands_of_files_is_checked() {
    let (_cluster, _team, checkout, mut claude) = held("many").await;
    let root = checkout.root();
    fs::create_dir(root.join("many")).expect("a folder");
    for at in 0..4_000 {
        fs::write(root.join(format!("many/{at}.rs")), "first\n").expect("it can be written");
    }
    checkout.git(&root, &["add", "-A"]);
    checkout.git(&root, &["commit", "-q", "-m", "Many"]);
    // Like a tool that rewrites all files: first the committed ones, then the others.
    for text in ["second\n", "third\n"] {
        claude.asks("pre-tool-use", shell("codemod")).done();
        for at in 0..4_000 {
            fs::write(root.join(format!("many/{at}.rs")), text).expect("it can be written");
        }
        writes(&root, text);
        let after = claude.asks("post-tool-use", shell("codemod")).done();
        assert!(agent_text(&after).contains(WHY), "{after:#?}");
    }
}

#[tokio::test]
async fn no_change_of_git_hides_a_write() {
    let (_cluster, _team, checkout, mut claude) = held("hides").await;
    let root = checkout.root();
    for (at, (hides, undoes)) in [
        ("git update-index --assume-unchanged src/a.rs", "git update-index --no-assume-unchanged src/a.rs"),
        ("git update-index --skip-worktree src/a.rs", "git update-index --no-skip-worktree src/a.rs"),
        ("git config core.worktree /elsewhere", "git config --unset core.worktree"),
        ("git config core.bare true", "git config core.bare false"),
        ("git config core.trustctime false && git config core.checkStat minimal", "true"),
    ]
    .into_iter()
    .enumerate()
    {
        claude.runs(hides).done();
        claude.asks("pre-tool-use", shell("make")).done();
        writes(&root, &format!("try {at}\n"));
        let after = claude.asks("post-tool-use", shell("make")).done();
        assert!(agent_text(&after).contains(WHY), "{hides}: {after:#?}");
        assert!(!agent_text(&after).contains(GAP), "{hides}: {after:#?}");
        claude.runs(undoes).done();
    }
    // The repository itself is gone: the earlier files are known, but Git's data is not.
    claude.asks("pre-tool-use", shell("make")).done();
    writes(&root, "without git\n");
    fs::rename(root.join(".git"), root.join("git")).expect("it can be moved");
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(agent_text(&after).contains(WHY) && agent_text(&after).contains(GAP), "{after:#?}");
}

#[tokio::test]
async fn a_command_is_checked_in_every_folder_that_it_reaches() {
    let (_cluster, team, checkout, mut claude) = held("leads").await;
    let root = checkout.root();
    let elsewhere = root.with_file_name("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    claude.root.clone_from(&elsewhere);
    let path = root.display();
    for (environment, command) in [
        (String::new(), format!("cd {path} && python3 w.py")),
        (String::new(), "cd .. && cd app && python3 w.py".to_owned()),
        (String::new(), format!("make -C '{path}/src'")),
        (String::new(), format!("HERE={path}; (cd \"$HERE\"; python3 w.py)")),
        (format!("CLAUDE_PROJECT_DIR='{path}'"), "python3 w.py".to_owned()),
    ] {
        let command =
            command.replace("cd app", &format!("cd {}", root.file_name().unwrap_or_default().display()));
        claude.asks_with(&environment, "pre-tool-use", shell(&command)).done();
        writes(&root, &format!("by {command}\n"));
        let after = claude.asks_with(&environment, "post-tool-use", shell(&command)).done();
        assert!(agent_text(&after).contains(WHY), "{environment} {command}: {after:#?}");
    }
    // In the other repository nobody holds anything, and nothing is reported.
    for event in ["pre-tool-use", "post-tool-use"] {
        assert_eq!(claude.asks(event, shell("make")).done().stdout, "", "{event}");
    }
    // From a repository in a folder of this one, which has a project of its own, and the other way round.
    let inner = root.join("inner");
    fs::create_dir(&inner).expect("a folder");
    checkout.git(&inner, &["init", "-q", "-b", "main"]);
    let mine =
        team.admin.post("/projects", json!({ "name": "Mine", "slug": "mine" })).await.data()["id"].clone();
    fs::write(inner.join(".nexus.json"), json!({ "projectId": mine }).to_string())
        .expect("it can be written");
    let other = team.agent(&team.admin, "inner").await;
    other.post(&team.path("/claims"), json!({ "paths": ["inner/x.rs"] })).await.data();
    claude.root.clone_from(&inner);
    claude.asks("pre-tool-use", shell("make")).done();
    writes(&root, "from within\n");
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(agent_text(&after).contains(WHY), "{after:#?}");
    claude.root.clone_from(&root);
    claude.asks("pre-tool-use", shell("make")).done();
    fs::write(inner.join("x.rs"), "from without\n").expect("it can be written");
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(agent_text(&after).contains("inner/x.rs is held by Root's agent \"inner\""), "{after:#?}");
    let claims = team.admin.get(&team.path("/claims")).await;
    assert_eq!(claims.data().as_array().map(Vec::len), Some(2), "a check claims nothing");
}

#[tokio::test]
async fn an_unchecked_command_is_reported_according_to_the_policy() {
    let (_cluster, team, checkout, mut claude) = held("silent").await;
    let root = checkout.root();
    let closed = "NEXUS_HOOK_POLICY=fail-closed";
    // Without an event before it ran.
    let open = claude.asks("post-tool-use", used("make", "toolu_1")).done();
    assert!(open.stdout.contains(GAP) && open.stdout.contains("nothing was noted"), "{open:#?}");
    let loud = claude.asks_with(closed, "post-tool-use", used("make", "toolu_1")).done().json();
    assert_eq!(loud["decision"], "block", "{loud}");
    assert!(loud["reason"].as_str().is_some_and(|reason| reason.contains(GAP)), "{loud}");
    // The recorded state cannot be read, or not be written.
    let folder = checkout.home().join("runs/claude~silent");
    claude.asks("pre-tool-use", shell("make")).done();
    fs::write(folder.join("shell.seen"), "{oops").expect("it can be written");
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(after.stdout.contains(GAP), "{after:#?}");
    fs::remove_file(folder.join("shell.seen")).expect("it is there");
    fs::create_dir(folder.join("shell.seen")).expect("a folder");
    claude.asks("pre-tool-use", shell("make")).done();
    let after = claude.asks("post-tool-use", shell("make")).done();
    assert!(after.stdout.contains(GAP), "{after:#?}");
    fs::remove_dir(folder.join("shell.seen")).expect("it is there");
    // Another process holds the lock.
    let lock = fs::File::create(folder.join("shell.lock")).expect("it is there");
    claude.asks("pre-tool-use", shell("make")).done();
    lock.lock().expect("nobody else has it");
    let late = claude.asks("post-tool-use", shell("make")).done();
    assert!(late.stdout.contains(GAP) && late.stdout.contains("more than 2 s"), "{late:#?}");
    drop(lock);
    // An unreadable link, so that the holders of the files are unknown.
    writes(&root, "while nobody can say whose\n");
    fs::write(root.join(".nexus.json"), "{").expect("it can be written");
    let broken = claude.asks("post-tool-use", shell("make")).done();
    assert!(broken.stdout.contains(GAP) && broken.stdout.contains("names no project"), "{broken:#?}");

    // Without a Git repository there is nothing to compare with: this is reported once.
    let bare = root.with_file_name("bare");
    fs::create_dir(&bare).expect("a folder");
    fs::write(bare.join(".nexus.json"), json!({ "projectId": team.project }).to_string())
        .expect("it can be written");
    claude.root = bare;
    claude.asks("pre-tool-use", shell("ls")).done();
    let once = claude.asks("post-tool-use", shell("ls")).done();
    assert!(once.stdout.contains("in no work tree of git"), "{once:#?}");
    for event in ["pre-tool-use", "post-tool-use"] {
        assert_eq!(claude.asks(event, shell("ls")).done().stdout, "", "{event}");
    }
}
