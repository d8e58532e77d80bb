//! No server answers, or one answers something else, or a lock blocks a hook: the policy is only for outages, and
//! writes that were let through are settled afterwards, by the same run or another one.

use super::{Claude, agent_text, denied, refused, repository, worktree};
use nexus_tests::{Agent, Cluster};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn writes_during_an_outage_are_settled_afterwards() {
    let mut cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "alone");
    cluster.node(1).kill();

    denied(&claude.may_edit_with("NEXUS_HOOK_POLICY=fail-closed", "src/a.rs"), "connection refused");
    for file in ["src/a.rs", "src/b.rs"] {
        let open = claude.edits(file);
        assert_eq!(open.code, 0, "{open:#?}");
        let text = agent_text(&open);
        assert!(text.contains("fail-open") && text.contains(file), "{text}");
    }
    cluster.node(1).start();
    cluster.all_ready().await;

    // Another agent was faster.
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

#[tokio::test]
async fn writes_of_a_dead_run_are_settled_by_the_next_one() {
    let mut cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut gone = Claude::start(&checkout, checkout.root(), "gone");
    let mut alive = Claude::start(&checkout, checkout.root(), "alive");
    cluster.node(1).kill();
    for file in ["src/a.rs", "src/b.rs"] {
        gone.edits(file).done();
    }
    alive.edits("src/c.rs").done();
    gone.agent.kill();
    cluster.node(1).start();
    cluster.all_ready().await;
    let other = team.agent(&team.admin, "faster").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/b.rs"] })).await.data();

    let mut next = Claude {
        agent: Agent::start(&checkout, &checkout.root(), "claude"),
        run: "next",
        root: checkout.root(),
    };
    let brief = agent_text(&next.begins().done());
    assert!(brief.contains("yours now: src/a.rs."), "{brief}");
    assert!(brief.contains("src/b.rs is held by Root's agent \"faster\""), "{brief}");
    assert!(!brief.contains("src/c.rs"), "a living run settles its own writes: {brief}");
    let refused = alive.may_edit("src/a.rs");
    denied(&refused, "src/a.rs is held by Root's agent");
    assert!(refused.stderr.contains("yours now: src/c.rs"), "a refusal has the news too: {refused:#?}");
    let settled = alive.runs("nexus claims --mine").done();
    assert!(settled.stdout.contains("src/c.rs"), "{settled:#?}");
}

#[tokio::test]
async fn writes_that_cannot_be_settled_yet_are_kept() {
    let mut cluster = Cluster::start(1).await;
    let (_team, checkout) = repository(&cluster).await;
    let tree = checkout.root().with_file_name("tree");
    worktree(&checkout, &tree, "tree");
    let link = fs::read_to_string(checkout.root().join(".nexus.json")).expect("it is linked");
    fs::write(tree.join(".nexus.json"), &link).expect("the file can be written");
    let mut claude = Claude::start(&checkout, checkout.root(), "alone");
    cluster.node(1).kill();
    claude.edits("src/b.rs").done();
    claude.may_edit("../tree/src/a.rs").done();
    cluster.node(1).start();
    cluster.all_ready().await;

    let elsewhere = json!({ "projectId": "00000000-0000-0000-0000-000000000001" }).to_string();
    fs::write(tree.join(".nexus.json"), elsewhere).expect("the file can be written");
    let first = claude.runs("nexus claims --mine").done();
    assert!(first.stderr.contains("yours now: src/b.rs"), "{first:#?}");
    assert!(!first.stderr.contains("src/a.rs"), "{first:#?}");
    fs::write(tree.join(".nexus.json"), link).expect("the file can be written");
    let second = claude.runs("nexus claims --mine").done();
    assert!(second.stderr.contains("yours now: src/a.rs"), "{second:#?}");
    assert!(!second.stderr.contains("src/b.rs"), "{second:#?}");
}

#[tokio::test]
async fn a_refusal_is_not_an_outage() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "refused");
    claude.runs("nexus install git --yes").done();
    // The servers do not know this key: that is an answer, and the policy does not apply.
    let key = format!("NEXUS_HOOK_POLICY=fail-open NEXUS_TOKEN=nexus_eng_{}", "0".repeat(64));
    denied(&claude.may_edit_with(&key, "src/a.rs"), "a server answers, but does not say whose src/a.rs is");
    claude.edits("src/a.rs").done();
    let commit = format!("export {key}; git commit -q -m Mine src/a.rs");
    refused(&claude.runs(&commit), "a server answers, but does not say whose src/a.rs is");
    claude.runs("git commit -q -m Mine src/a.rs").done();

    // A name that the servers refuse does not affect the other files.
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/b.rs", "theirs/"] })).await.data();
    let odd = claude.edits("src/odd\u{1}.rs");
    assert_eq!(odd.code, 0, "{odd:#?}");
    assert!(agent_text(&odd).contains("Nobody can hold src/odd"), "{odd:#?}");
    claude.edits("src/b.rs");
    claude.runs("git add -A").done();
    refused(&claude.runs("git commit -q -m Both"), "src/b.rs is held by Root's agent \"other\"");
    claude.runs("git restore -q --staged src/b.rs").done();
    let passed = claude.runs("git commit -q -m Odd").done();
    assert!(passed.stderr.contains("Nobody can hold src/odd"), "{passed:#?}");
    // A file in a folder that another agent holds is foreign all the same.
    denied(&claude.may_edit("theirs/odd\u{1}.rs"), "is held by Root's agent \"other\" as theirs/");
}

#[tokio::test]
async fn a_run_whose_session_is_over_is_guarded_all_the_same() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/c.rs"]).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "again");
    let sessions = async || team.admin.get(&team.path("/sessions/active")).await.data().clone();
    assert_eq!(sessions().await.as_array().map(Vec::len), Some(1));
    claude.asks("session-end", json!({ "reason": "other" })).done();
    assert_eq!(sessions().await, json!([]), "a session without claims is over at once");

    // The resumed run gets another session.
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    denied(&claude.may_edit("src/a.rs"), "src/a.rs is held by Root's agent \"other\"");
    assert_eq!(claude.may_edit("src/b.rs").code, 0);
    // So does a run whose session was ended by someone else, whatever it does first.
    let end = async || {
        let own = sessions().await.as_array().into_iter().flatten().find_map(|found| {
            let agent = found["session"]["agent"].as_str()?;
            agent.starts_with("claude-").then(|| found["session"]["id"].as_str().map(str::to_owned))?
        });
        let own = own.expect("the run has a session");
        team.admin.delete(&team.path(&format!("/sessions/{own}"))).await.data();
    };
    end().await;
    denied(&claude.may_edit("src/a.rs"), "src/a.rs is held by Root's agent \"other\"");
    end().await;
    claude.runs("nexus feature pick one").done();
    end().await;
    claude.runs("nexus claim src/b.rs").done();
    end().await;
    assert_eq!(claude.may_edit("src/b.rs").code, 0);
    let mine = claude.runs("nexus claims --mine --json").done().json();
    assert_eq!(mine[0]["filePath"], "src/b.rs", "{mine}");
}

#[tokio::test]
async fn an_unreadable_link_is_handled_by_the_policy() {
    let cluster = Cluster::start(1).await;
    let (_team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "broken");
    claude.runs("nexus install git --yes").done();
    fs::write(checkout.root().join(".nexus.json"), "{").expect("the file can be written");
    let closed = "NEXUS_HOOK_POLICY=fail-closed";
    denied(&claude.may_edit_with(closed, "src/a.rs"), "names no project");
    let open = claude.edits("src/a.rs");
    assert_eq!(open.code, 0, "{open:#?}");
    assert!(agent_text(&open).contains("fail-open"), "{open:#?}");
    // A command that only reads is not stopped.
    claude.asks_with(closed, "pre-tool-use", super::shell("git status && nexus project link demo")).done();
    refused(&claude.runs(&format!("{closed} git commit -q -m Mine src/a.rs")), "names no project");
    let passed = claude.runs("git commit -q -m Mine src/a.rs").done();
    assert!(passed.stderr.contains("fail-open"), "{passed:#?}");
}

#[tokio::test]
async fn unreadable_settings_leave_a_journal() {
    let cluster = Cluster::start(1).await;
    let (_team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "broken");
    let settings = checkout.home().join("config.json");
    let before = fs::read_to_string(&settings).expect("there is a login");
    fs::write(&settings, "{").expect("the file can be written");
    let open = claude.edits("src/a.rs");
    assert_eq!(open.code, 0, "{open:#?}");
    assert!(agent_text(&open).contains("noted in a journal"), "{open:#?}");
    fs::write(&settings, before).expect("the file can be written");
    let settled = claude.runs("nexus claims --mine").done();
    assert!(settled.stderr.contains("yours now: src/a.rs"), "{settled:#?}");
}

#[tokio::test]
async fn a_blocked_hook_answers_before_its_host_times_out() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "late");
    let record = checkout.home().join(format!("runs/claude~late/{}.lock", team.project));
    let lock = fs::File::create(record).expect("the run has a record");
    lock.lock().expect("nobody else has it");
    let closed = claude.may_edit_with("NEXUS_HOOK_POLICY=fail-closed", "src/a.rs");
    denied(&closed, "no answer within 6 s");
    let open = claude.edits("src/b.rs");
    assert_eq!(open.code, 0, "{open:#?}");
    assert!(agent_text(&open).contains("noted in a journal"), "{open:#?}");
    drop(lock);
    assert_eq!(claude.may_edit("src/b.rs").code, 0);
    let mine = claude.runs("nexus claims --mine").done();
    assert!(mine.stdout.contains("src/b.rs"), "{mine:#?}");
}
