//! Runs of agents, as processes that call `nexus`: each has its own identity, lives as long as its process, and leaves
//! nothing behind. [`sleeps`]: runs whose machine slept.

mod sleeps;

use nexus_tests::{Agent, Checkout, Cluster, Team, agent::CommandOutput, eventually};
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn checkout(cluster: &Cluster, team: &Team) -> Checkout {
    Checkout::of(&cluster.urls(), &team.project, team.admin.key().expect("the admin has a key"))
}

async fn feature(team: &Team, slug: &str) -> Value {
    team.admin.get(&team.path(&format!("/features/{slug}"))).await.data().clone()
}

async fn becomes(team: &Team, slug: &str, status: &str) -> Value {
    eventually(&format!("{slug} is {status}"), || async {
        let feature = feature(team, slug).await;
        (feature["status"] == status).then_some(feature)
    })
    .await
}

#[tokio::test]
async fn a_killed_agent_frees_its_files_long_before_its_lease_is_over() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    // The keep-alive process releases the files here: the lease is longer than the test.
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    agent.runs("nexus feature pick one").done();
    agent.runs("nexus claim notes.md").done();
    eventually("its keep-alive process sends heartbeats", || async {
        let sessions = team.admin.get(&team.path("/sessions/active")).await;
        let lease = sessions.data()[0]["session"]["expiresAt"].as_str().map(str::to_owned);
        (checkout.keep_alive_processes().len() == 1 && lease.is_some()).then_some(())
    })
    .await;
    let killed = Instant::now();
    agent.kill();
    let freed = becomes(&team, "one", "ready").await;
    // Two seconds on an idle machine.
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    assert!(freed["interruptedAt"].is_string(), "its work is marked as interrupted: {freed}");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data(), &json!([]));
    let path = team
        .path(&format!("/sessions/checkpoints/latest?featureId={}", freed["id"].as_str().expect("an id")));
    assert_eq!(team.admin.get(&path).await.data()["type"], "crash_recovery");
    eventually("no keep-alive process is left", || async {
        checkout.keep_alive_processes().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_agents_of_one_engineer_in_one_checkout_are_two_runs() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    team.ready_feature("two", &["src/a.rs", "src/b.rs"]).await;
    team.ready_feature("three", &["src/c.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut build = Agent::start(&checkout, &checkout.root(), "claude");
    let mut review = Agent::start(&checkout, &checkout.root().join("src"), "claude");
    build.runs("nexus feature pick one").done();
    let refused = review.runs("nexus feature pick two");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("src/a.rs is held by Root's agent \"claude-"), "{refused:#?}");
    review.runs("nexus next --json").done();
    let (one, three) = (feature(&team, "one").await, feature(&team, "three").await);
    assert_eq!((&one["status"], &three["status"]), (&json!("active"), &json!("active")));
    assert_ne!(one["sessionId"], three["sessionId"]);
    // Each has its own feature in its folder, and cannot complete that of the other.
    let laid_out = |slug: &str| checkout.root().join(".nexus/active").join(slug).join("spec.md").is_file();
    assert!(laid_out("one") && laid_out("three"));
    assert_eq!(review.runs("nexus feature done one").code, 1);
    assert!(laid_out("one"));
    assert_eq!(review.runs("nexus claims --mine --json").done().json()[0]["filePath"], "src/c.rs");
    let why = build.runs("nexus why src/c.rs").done();
    assert!(why.stdout.contains("three: three"), "{why:#?}");
    build.runs("nexus feature done one").done();
    assert!(!laid_out("one") && laid_out("three"));
    review.runs("nexus feature pick two").done();
    eventually("only who holds something has a keep-alive process", || async {
        (checkout.keep_alive_processes().len() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_process_keeps_a_run_alive_and_ends_when_nothing_is_held() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    for slug in ["one", "two", "three"] {
        team.ready_feature(slug, &[&format!("{slug}.rs")]).await;
    }
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "codex");
    agent.runs("nexus feature pick one & nexus feature pick two & nexus feature pick three & wait").done();
    let sessions = team.admin.get(&team.path("/sessions/active")).await;
    assert_eq!(
        sessions.data().as_array().map(Vec::len),
        Some(1),
        "three concurrent picks belong to one session"
    );
    eventually("one keep-alive process is left", || async {
        (checkout.keep_alive_processes().len() == 1).then_some(())
    })
    .await;
    for (slug, left) in [("one", 1), ("two", 1), ("three", 0)] {
        agent.runs(&format!("nexus feature done {slug}")).done();
        eventually("as many keep-alive processes as there is to keep", || async {
            (checkout.keep_alive_processes().len() == left).then_some(())
        })
        .await;
    }
    agent.runs("nexus claim again.rs").done();
    assert_eq!(checkout.keep_alive_processes().len(), 1, "a new process starts with the next claim");
    agent.runs("nexus unclaim --all").done();
    eventually("it goes again", || async { checkout.keep_alive_processes().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn a_closed_terminal_frees_its_files() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    // `script` opens a terminal, and bash leads a session in it.
    let mut terminal = Command::new("script");
    checkout.surroundings(&mut terminal);
    let mut terminal = terminal
        .args(["-qec", "bash --norc", "/dev/null"])
        .current_dir(checkout.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("script is part of every Linux");
    let mut keys = terminal.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut keys, b"nexus feature pick one\n").expect("the terminal is open");
    let held = becomes(&team, "one", "active").await;
    assert!(held["agent"].as_str().is_some_and(|name| name.starts_with("terminal-")), "{held}");
    has_reported_to_keep_alive(&checkout).await;
    terminal.kill().expect("the window is closed");
    terminal.wait().expect("the window is closed");
    drop(keys);
    becomes(&team, "one", "ready").await;
}

/// Starts or continues a Claude run in the agent's process.
fn begins(agent: &mut Agent, run: &str, source: &str) -> CommandOutput {
    let event = json!({ "session_id": run, "hook_event_name": "SessionStart", "source": source });
    agent.runs_with("nexus hook claude session-start", &event.to_string()).done()
}

/// Sends Claude's event before it edits a file.
fn may_edit(agent: &mut Agent, checkout: &Checkout, run: &str, file: &str) -> CommandOutput {
    let event = json!({ "session_id": run, "cwd": checkout.root(), "tool_name": "Edit",
        "tool_input": { "file_path": checkout.root().join(file) } });
    agent.runs_with("nexus hook claude pre-tool-use", &event.to_string())
}

/// Waits until the keep-alive process knows all claims: it runs, and has read its record.
async fn has_reported_to_keep_alive(checkout: &Checkout) {
    eventually("the keep-alive process knows of what was taken", || async {
        let [record] = &checkout.records()[..] else { return None };
        (record["kept"] == record["taken"] && checkout.keep_alive_processes().len() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_run_that_continues_in_another_process_lives_as_long_as_that() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut first = Agent::start(&checkout, &checkout.root(), "claude");
    begins(&mut first, "run", "startup");
    first.runs("nexus feature pick one").done();
    has_reported_to_keep_alive(&checkout).await;
    let mut second = Agent::start(&checkout, &checkout.root(), "claude");
    begins(&mut second, "run", "resume");
    first.kill();
    // The keep-alive process has checked many times whether a process lives, and it was the second one.
    for file in ["1.rs", "2.rs", "3.rs", "4.rs"] {
        second.runs(&format!("nexus claim {file}")).done();
        has_reported_to_keep_alive(&checkout).await;
    }
    assert_eq!(feature(&team, "one").await["status"], "active");
    assert!(second.runs("nexus claims --mine").done().stdout.contains("src/a.rs"));
    second.kill();
    becomes(&team, "one", "ready").await;
    eventually("nothing is left", || async {
        (checkout.keep_alive_processes().is_empty() && checkout.records().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_run_that_goes_on_under_another_name_has_one_keep_alive_process_and_keeps_what_it_holds() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 3600, "session.grace": 3600 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    begins(&mut agent, "before", "startup");
    agent.runs("nexus feature pick one").done();
    has_reported_to_keep_alive(&checkout).await;
    begins(&mut agent, "after", "clear");
    assert_eq!(may_edit(&mut agent, &checkout, "after", "src/a.rs").code, 0);
    agent.runs("nexus claim more.rs").done();
    has_reported_to_keep_alive(&checkout).await;
    assert_eq!(checkout.records().len(), 1, "one session, one record");
    // The remaining process knows by now that nothing is held.
    agent.runs("nexus feature done one").done();
    eventually("it goes", || async { checkout.keep_alive_processes().is_empty().then_some(()) }).await;
    agent.runs("nexus claim again.rs").done();
    has_reported_to_keep_alive(&checkout).await;
    agent.kill();
    eventually("its file is free", || async {
        (team.admin.get(&team.path("/claims")).await.data() == &json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn commands_of_two_conversations_in_one_process_are_two_runs() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    let file = checkout.root().with_file_name("claude-env");
    let begins = |agent: &mut Agent, run: &str| {
        let event = json!({ "session_id": run, "hook_event_name": "SessionStart", "source": "startup" });
        let line = format!("CLAUDE_ENV_FILE={}-{run} nexus hook claude session-start", file.display());
        agent.runs_with(&line, &event.to_string()).done()
    };
    for run in ["one", "two", "two"] {
        begins(&mut agent, run);
    }
    // Claude sources the file before each command.
    let does = |agent: &mut Agent, run: &str, line: &str| {
        agent.runs(&format!(". {}-{run}; {line}", file.display())).done()
    };
    does(&mut agent, "one", "nexus claim one.rs");
    does(&mut agent, "two", "nexus claim two.rs");
    for run in ["one", "two"] {
        let mine = does(&mut agent, run, "nexus claims --mine --json").json();
        assert_eq!(mine[0]["filePath"], format!("{run}.rs"), "{mine}");
        assert_eq!(mine.as_array().map(Vec::len), Some(1), "{mine}");
        assert_eq!(may_edit(&mut agent, &checkout, run, &format!("{run}.rs")).code, 0);
    }
    // Another agent that one of them starts is a run of its own, whatever it inherits.
    let line = ". FILE; bash -c 'exec -a codex bash -c \"nexus claim one.rs; exit \\$?\"'";
    let inner = agent.runs(&line.replace("FILE", &format!("{}-one", file.display())));
    assert_eq!(inner.code, 1, "{inner:#?}");
    assert!(inner.stderr.contains("one.rs is held by Root's agent \"claude-"), "{inner:#?}");
}

#[tokio::test]
async fn the_tools_act_as_the_current_run_of_the_host() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    // The host starts it before any run has registered, and requests the resources at once.
    let mut tools = agent.serves("nexus mcp");
    tools.asks(
        "initialize",
        json!({ "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } }),
    );
    tools.notify("notifications/initialized");
    tools.asks("resources/list", json!({}));
    for (run, source, file) in
        [("one", "startup", "1.rs"), ("two", "resume", "2.rs"), ("one", "resume", "3.rs")]
    {
        begins(&mut agent, run, source);
        let claimed = tools.asks("tools/call", json!({ "name": "claim", "arguments": { "paths": [file] } }));
        assert_eq!(claimed["result"]["structuredContent"]["claims"][0]["filePath"], file, "{claimed}");
        assert_eq!(may_edit(&mut agent, &checkout, run, file).code, 0, "{run} holds {file}");
    }
    let denied = may_edit(&mut agent, &checkout, "two", "1.rs");
    assert_eq!(denied.code, 2, "{denied:#?}");
}

#[tokio::test]
async fn a_feature_is_written_where_its_agent_works_and_removed_when_it_is_over() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    for slug in ["one", "two", "three"] {
        team.ready_feature(slug, &[&format!("{slug}.rs")]).await;
    }
    let checkout = checkout(&cluster, &team);
    // The link is not committed: a worktree finds it in the main checkout, and still has its own folder.
    let (root, tree) = (checkout.root(), checkout.root().with_file_name("tree"));
    checkout.git(&root, &["commit", "-q", "--allow-empty", "-m", "First"]);
    checkout.git(&root, &["worktree", "add", "-q", "-b", "tree", &tree.display().to_string()]);
    let mut agent = Agent::start(&checkout, &tree, "claude");
    let laid_out = |slug: &str| tree.join(".nexus/active").join(slug);
    agent.runs("nexus feature pick one").done();
    assert!(laid_out("one").join("spec.md").is_file());
    let status = agent.runs("git status --porcelain --untracked-files=all").done();
    assert_eq!(status.stdout, "", "git sees nothing of it");
    assert!(
        !root.join(".nexus").exists() && !root.join(".gitignore").exists(),
        "the main checkout is unchanged"
    );
    agent.runs("nexus feature cancel one").done();
    assert!(!laid_out("one").exists());

    // The tools change the repository like the commands.
    let mut tools = agent.serves("nexus mcp");
    tools.asks(
        "initialize",
        json!({ "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } }),
    );
    tools.notify("notifications/initialized");
    for (tool, is_there) in [("pick", true), ("release", false), ("pick", true), ("done", false)] {
        let call = json!({ "name": tool, "arguments": { "featureSlug": "two" } });
        let answer = tools.asks("tools/call", call);
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(laid_out("two").join("spec.md").is_file(), is_there, "after {tool}");
        let claims = team.admin.get(&team.path("/claims")).await;
        let held = claims.data().as_array().map(Vec::len);
        assert_eq!(
            held,
            Some(if is_there { 1 } else { 0 }),
            "claims made during the work are released: {claims:?}"
        );
        if is_there {
            // Without an option, the claim belongs to the feature.
            let more = json!({ "name": "claim", "arguments": { "paths": ["more.rs"] } });
            let more = tools.asks("tools/call", more);
            assert_eq!(more["result"]["structuredContent"]["claims"][0]["filePath"], "more.rs", "{more}");
        }
    }

    // A folder that cannot be removed does not undo the command.
    agent.runs("nexus feature pick three").done();
    fs::remove_dir_all(laid_out("three")).expect("it was laid out");
    fs::write(laid_out("three"), "not a folder").expect("it can be written");
    let done = agent.runs("nexus feature done three").done();
    assert!(done.stderr.contains("active/three stays"), "{done:#?}");
    assert_eq!(feature(&team, "three").await["status"], "done");
}

#[tokio::test]
async fn a_waiting_pick_is_granted_once_the_files_are_free() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a.rs"]).await;
    team.ready_feature("two", &["a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut first = Agent::start(&checkout, &checkout.root(), "claude");
    let mut second = Agent::start(&checkout, &checkout.root(), "claude");
    first.runs("nexus feature pick one").done();
    let waits = std::thread::spawn(move || {
        let ended = second.runs("nexus feature pick two --wait 5m");
        (second, ended)
    });
    eventually("the second one is there", || async {
        let sessions = team.admin.get(&team.path("/sessions/active")).await;
        (sessions.data().as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    first.runs("nexus feature done one").done();
    let (second, ended) = waits.join().expect("it ends");
    assert!(ended.done().stdout.starts_with("Picked two"));
    assert_eq!(feature(&team, "two").await["status"], "active");
    drop(second);
}

#[tokio::test]
async fn a_holder_is_shown_with_its_folder_its_branch_and_its_lease() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let checkout = checkout(&cluster, &team);
    let mut agent = Agent::start(&checkout, &checkout.root(), "claude");
    let picked = agent.runs("nexus feature pick one").done();
    assert!(picked.stdout.contains("as long as claude runs (process "), "{picked:#?}");
    let attended = || async {
        let claims = team.admin.get(&team.path("/claims")).await;
        (claims.data()[0]["lease"] == "attended").then_some(())
    };
    eventually("its keep-alive process sends heartbeats", attended).await;
    let place = "in repository on main";
    let mut other = Agent::start(&checkout, &checkout.root(), "codex");
    let refused = other.runs("nexus claim src/a.rs");
    let whole = [format!("{place} for feature one"), "renewed while it runs".to_owned()];
    assert!(whole.iter().all(|part| refused.stderr.contains(part.as_str())), "{refused:#?}");
    for line in
        ["status", "claims", "why src/a.rs", "events", "session list", "feature list", "feature show one"]
    {
        let shown = other.runs(&format!("nexus {line}")).done();
        assert!(shown.stdout.contains(place), "{line}: {shown:#?}");
    }
    let claims = other.runs("nexus claims").done();
    assert!(claims.stdout.lines().next().is_some_and(|head| head.contains("FEATURE")), "{claims:#?}");
    let renamed = agent.runs("nexus session rename build").done();
    assert!(renamed.stdout.contains("agent \"build\" (claude-"), "{renamed:#?}");
    for line in ["claims", "session list", "events"] {
        let shown = other.runs(&format!("nexus {line}")).done();
        assert!(shown.stdout.contains("\"build\" (claude-"), "{line}: {shown:#?}");
    }
    let sessions = other.runs("nexus session list --json").done().json();
    assert!(sessions.as_array().is_some_and(|all| all.iter().any(|one| one["metadata"]["name"] == "build")));
    agent.runs("nexus feature done one").done();
    let done = other.runs("nexus feature list --status done").done();
    assert!(done.stdout.contains("DONE BY") && !done.stdout.contains("HOLDER"), "{done:#?}");
    // Nothing keeps an engineer's own claims alive, and the answer says so.
    let own = other.runs("nexus --session none claim own.rs").done();
    assert!(own.stderr.contains("renewed by every request"), "{own:#?}");
    let listed = other.runs("nexus claims").done();
    assert!(!listed.stdout.contains("renewed"), "a table has no room for it: {listed:#?}");
    let seen = other.runs("nexus why own.rs").done();
    assert!(seen.stdout.contains("renewed by its requests"), "{seen:#?}");
}
