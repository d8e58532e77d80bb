//! A command tries one server after the other, and is applied exactly once.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{NOBODY, NOBODY_ELSE, Person, Server, data, failure, feature, project, unavailable};
use serde_json::{Value, json};

const DONE: &str = "POST /projects/019a0000-0000-7000-8000-000000000001/features/api/done";

#[test]
fn a_write_reaches_a_server_that_can_apply_it_with_one_idempotency_key() {
    let without_leader = Server::start().on(DONE, unavailable("not_applied"));
    let good = Server::start().on(DONE, data(feature("api", "done")));
    let ana = Person::at_work(&[NOBODY, without_leader.url(), good.url()]);
    let ended = ana.types("feature done api").done();
    assert_eq!(ended.stdout, "api is done: its files are free\n");
    let (first, second) = (without_leader.only_request(), good.only_request());
    let key = first.header("idempotency-key");
    assert!(!key.is_empty());
    assert_eq!(key, second.header("idempotency-key"));
    assert_eq!(first.header("authorization"), format!("Bearer {}", mock::KEY));
}

#[test]
fn a_write_of_unknown_outcome_is_sent_again_with_the_same_idempotency_key() {
    let server = Server::start().on(DONE, unavailable("unknown")).on(DONE, data(feature("api", "done")));
    let ana = Person::at_work(&[server.url()]);
    ana.types("feature done api").done();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
}

#[test]
fn two_commands_are_two_requests() {
    let server = Server::start().on(DONE, data(feature("api", "done")));
    let ana = Person::at_work(&[server.url()]);
    ana.types("feature done api").done();
    ana.types("feature done api").done();
    let requests = server.requests();
    assert_ne!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
}

#[test]
fn when_no_server_listens_every_address_is_named_at_once() {
    let servers = [NOBODY, NOBODY_ELSE];
    let ana = Person::at_work(&servers);
    let ended = ana.types("feature done api --timeout 1h");
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    for server in servers {
        assert!(ended.stderr.contains(&format!("  {server}  connection refused")), "{ended:#?}");
    }
    assert!(ended.stderr.contains("Hint: is the cluster running?"), "{ended:#?}");
    assert!(!ended.stderr.contains("may have been done"), "no request was sent: {ended:#?}");
}

#[test]
fn a_cluster_without_a_leader_fails_at_once_when_waiting_would_take_too_long() {
    let server = Server::start().on(DONE, unavailable("unknown").with("retry-after: 3600"));
    let ana = Person::at_work(&[server.url(), NOBODY]);
    let ended = ana.types("feature done api");
    assert_eq!(ended.code, 3, "{ended:#?}");
    assert!(ended.stderr.contains("no leader"), "{ended:#?}");
    assert!(ended.stderr.contains("connection refused"), "{ended:#?}");
    assert!(ended.stderr.contains("Hint: it may have been done all the same"), "{ended:#?}");
    assert_eq!(server.requests().len(), 1, "the timeout is shorter than the retry-after of an hour");
}

#[test]
fn the_same_in_json() {
    let server = Server::start().on(DONE, unavailable("not_applied").with("retry-after: 3600"));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("feature done api --json");
    let error: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert_eq!(error["error"]["code"], "UNREACHABLE");
    assert_eq!(error["error"]["details"]["outcome"], "not_applied");
    assert_eq!(
        error["error"]["details"]["servers"][0],
        json!({ "server": server.url(), "reason": "no leader" })
    );
}

#[test]
fn a_silent_server_leaves_time_for_the_next_one() {
    // It accepts connections, as any listener does, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let good = Server::start().on(DONE, data(feature("api", "done")));
    let ana = Person::at_work(&[&silent_url, good.url()]);
    ana.types("feature done api --timeout 4s").done();
    let ended = ana.types(&format!("feature done api --timeout 200ms --server {silent_url}"));
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("no answer within"), "{ended:#?}");
    assert!(ended.stderr.contains("may have been done"), "{ended:#?}");
}

#[test]
fn another_program_at_the_address_is_not_taken_for_the_cluster() {
    let else_ = Server::start()
        .on(DONE, failure(301, "", "", Value::Null).with("location: https://elsewhere.example"));
    let good = Server::start().on(DONE, data(feature("api", "done")));
    let ana = Person::at_work(&[else_.url(), good.url()]);
    ana.types("feature done api").done();
}

#[test]
fn a_refused_request_is_not_sent_again() {
    let first = Server::start().on(
        DONE,
        failure(
            400,
            "INVALID_STATUS_TRANSITION",
            "feature api is ready: it cannot become done",
            json!({ "from": "ready", "to": "done" }),
        ),
    );
    let second = Server::start();
    let ana = Person::at_work(&[first.url(), second.url()]);
    let ended = ana.types("feature done api");
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.stderr,
        "Error: feature api is ready: it cannot become done\nHint: nexus feature pick SLUG takes it first\n"
    );
    assert_eq!(second.requests().len(), 0);
}

#[test]
fn a_rate_limited_command_waits_for_the_retry_after() {
    let limited = || failure(429, "RATE_LIMITED", "too many requests", Value::Null);
    let server =
        Server::start().on(DONE, limited().with("retry-after: 0")).on(DONE, data(feature("api", "done")));
    let other = Server::start();
    let ana = Person::at_work(&[server.url(), other.url()]);
    ana.types("feature done api").done();
    assert_eq!(
        (server.requests().len(), other.requests().len()),
        (2, 0),
        "another server does not lift the limit"
    );

    let server = Server::start().on(DONE, limited().with("retry-after: 3600"));
    let ended = Person::at_work(&[server.url()]).types("feature done api");
    assert_eq!(ended.code, 1, "{ended:#?}");
}

#[test]
fn a_command_reads_its_own_writes_and_stays_with_the_server_that_answers() {
    let create = "POST /projects/019a0000-0000-7000-8000-000000000001/features";
    let ready = "POST /projects/019a0000-0000-7000-8000-000000000001/features/api/ready";
    let server =
        Server::start().on(create, data(feature("api", "draft"))).on(ready, data(feature("api", "ready")));
    let ana = Person::at_work(&[NOBODY, server.url()]);
    ana.types("feature create -s api -t Api --ready").done();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
}

#[test]
fn a_read_has_no_idempotency_key() {
    let server = Server::start().on("GET /projects", data(json!([project("billing", mock::ID)])));
    Person::at_work(&[server.url()]).types("project list").done();
    let request = server.only_request();
    assert_eq!(request.header("idempotency-key"), "");
    assert_eq!(request.header("x-nexus-min-revision"), "");
}
