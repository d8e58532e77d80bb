//! Commands that wait: they outlast an outage, and show a person what they wait for.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, Person, Server, claim, data, failure, held, page, project, unavailable};
use serde_json::{Value, json};
use std::{net::TcpListener, process::Command};

const PROJECT: &str = "GET /projects/019a0000-0000-7000-8000-000000000001";
const EVENTS: &str = "GET /projects/019a0000-0000-7000-8000-000000000001/events";
const PICK: &str = "POST /projects/019a0000-0000-7000-8000-000000000001/features/api/pick";

fn away() -> mock::Reply {
    // Longer than any command retries: for this command no server answers.
    unavailable("unknown").with("retry-after: 3600")
}

fn events(revisions: &[u64]) -> mock::Reply {
    let event = |revision: &u64| {
        json!({ "type": "session_started", "projectId": ID, "revision": revision, "seq": 0, "sessionId": ID, "agent": "build",
            "timestamp": "2025-01-31T14:00:00.000Z", "engineer": null, "engineerId": ID, "engineerName": "ana" })
    };
    let items: Vec<Value> = revisions.iter().map(event).collect();
    data(json!({ "items": items, "nextSince": revisions.last().unwrap_or(&7), "hasMore": false }))
}

#[test]
fn a_pick_that_waits_outlasts_an_outage_and_is_one_pick_all_the_same() {
    let taken = failure(409, "FEATURE_ALREADY_CLAIMED", "feature api is held by bob", Value::Null);
    let mut picked = held("api");
    picked["claims"] = json!([claim("src/db.rs", "exclusive")]);
    let knowledge = |name: &str| format!("{PROJECT}/{name}");
    let server = Server::start()
        .on(PROJECT, data(project("billing", ID)))
        .on(PICK, away())
        .on(PICK, taken)
        .on(PICK, data(picked))
        .on(EVENTS, away())
        .on(EVENTS, events(&[8]))
        .on(&knowledge("features/api/learnings"), page(&[]))
        .on(&knowledge("decisions"), page(&[]));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("feature pick api --wait 1h").done();
    assert!(ended.stdout.starts_with("Picked api"), "{ended:#?}");
    assert_eq!(ended.stderr.matches("Goes on trying: ").count(), 2, "once each: {ended:#?}");
    assert!(ended.stderr.contains("A server answers again"), "{ended:#?}");
    let requests = server.requests();
    let picks: Vec<_> = requests.iter().filter(|request| request.line.contains("/pick")).collect();
    let key = |at: usize| picks[at].header("idempotency-key");
    assert_eq!(picks.len(), 3);
    assert_eq!(key(0), key(1), "the outcome of the first one is unknown");
    assert_ne!(key(1), key(2), "a refusal is an answer: the next pick is another one");
}

#[test]
fn a_pick_of_a_finished_feature_does_not_wait() {
    for (from, is_over) in [("done", true), ("cancelled", true), ("draft", false)] {
        let message = format!("feature api is {from}: it cannot become active");
        let refused =
            failure(400, "INVALID_STATUS_TRANSITION", &message, json!({ "from": from, "to": "active" }));
        let server = Server::start()
            .on(PROJECT, data(project("billing", ID)))
            .on(PICK, refused)
            .on(EVENTS, events(&[]));
        let ana = Person::at_work(&[server.url()]);
        let wait = if is_over { "1h" } else { "1ms" };
        let ended = ana.types(&format!("feature pick api --wait {wait}"));
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert_eq!(ended.stderr.contains("Waiting: "), !is_over, "{ended:#?}");
    }
}

#[test]
fn a_watch_goes_on_through_an_outage() {
    let over = failure(403, "NOT_PROJECT_MEMBER", "you are not in the project", Value::Null);
    let server = Server::start()
        .on(PROJECT, data(project("billing", ID)))
        .on(EVENTS, events(&[8]))
        .on(EVENTS, away())
        .on(EVENTS, away())
        .on(EVENTS, events(&[9]))
        .on(EVENTS, over);
    let ended = Person::at_work(&[server.url()]).types("watch");
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert_eq!(ended.stdout.lines().count(), 2, "{ended:#?}");
    assert_eq!(ended.stderr.matches("Goes on trying: ").count(), 1, "printed once: {ended:#?}");
    assert!(
        ended.stderr.contains("no leader") && ended.stderr.contains("A server answers again"),
        "{ended:#?}"
    );
}

#[test]
fn a_watch_goes_on_after_a_restore_with_the_news_of_it() {
    let over = failure(403, "NOT_PROJECT_MEMBER", "you are not in the project", Value::Null);
    let lost = json!({ "since": ["lost"], "compacted": { "oldest": 1000, "reset": true } });
    let server = Server::start()
        .on(PROJECT, data(project("billing", ID)))
        .on(EVENTS, events(&[8]))
        .on(EVENTS, failure(400, "VALIDATION_ERROR", "since: this revision is lost", lost))
        .on(EVENTS, events(&[1000]))
        .on(EVENTS, over);
    let ended = Person::at_work(&[server.url()]).types("watch");
    assert_eq!(ended.stdout.lines().count(), 2, "{ended:#?}");
    assert!(ended.stderr.contains("restored from an earlier state: goes on at revision 1000"), "{ended:#?}");
    let asked = server.requests().iter().any(|request| request.line.contains("since=999"));
    assert!(asked, "the first event that it reads tells of the reset");
}

#[test]
fn following_an_unreachable_cluster_fails_at_once() {
    let server = Server::start().on(EVENTS, away());
    let ended = Person::at_work(&[server.url()]).types("events --follow");
    assert_eq!(ended.code, 3, "{ended:#?}");
    assert_eq!(server.requests().len(), 1);
}

/// A server that takes a connection and keeps silent.
#[cfg(target_os = "linux")]
#[test]
fn a_person_sees_what_a_command_waits_for_and_a_program_does_not() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let ana = Person::at_work(&[&url]);
    let line = format!("{} status --timeout 3s", env!("CARGO_BIN_EXE_nexus"));
    // `script` opens a terminal for it.
    let terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(ana.repository())
        .env("NEXUS_HOME", ana.config().parent().unwrap())
        .env("NEXUS_SESSION", "none")
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&terminal.stdout).into_owned();
    let waiting = format!("Waiting for {url}: 1 s of 3 s");
    assert!(seen.contains(&waiting), "{seen}");
    let gone = seen.rfind("\u{1b}[2K").unwrap();
    assert!(seen[gone..].contains("Error:"), "the line is cleared before any other output: {seen:?}");
    let ended = ana.types("status --timeout 3s");
    assert!(!ended.stderr.contains("Waiting"), "{ended:#?}");
}
