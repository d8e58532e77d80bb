//! A command tries one server after the other, and is applied exactly once.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{Hung, NOBODY, NOBODY_ELSE, Person, Server, data, failure, feature, project, unavailable};
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
fn a_hung_server_is_overtaken_and_a_write_has_one_key_on_both() {
    let hung = Hung::start();
    let good = Server::start().on(DONE, data(feature("api", "done")));
    let ana = Person::at_work(&[hung.url(), good.url()]);
    // Half of an hour would be the share of the first server.
    ana.types("feature done api --timeout 1h").done();
    let key = good.only_request().header("idempotency-key").to_owned();
    assert!(!key.is_empty());
    assert!(hung.first_request().contains(&key), "both servers were asked for one write");
}

#[test]
fn the_next_command_does_not_ask_the_hung_server_first() {
    let hung = Hung::start();
    let good = Server::start().on("GET /projects", data(json!([project("billing", mock::ID)])));
    let ana = Person::at_work(&[hung.url(), good.url()]);
    ana.types("project list").done();
    assert_eq!(hung.requests(), 1);
    for _ in 0..3 {
        ana.types("project list").done();
    }
    assert_eq!(hung.requests(), 1, "it is asked last");
    assert_eq!(good.requests().len(), 4);
}

#[test]
fn a_server_that_answers_again_is_asked_in_its_turn() {
    let (first, second) = (Server::start(), Server::start());
    let list = || data(json!([project("billing", mock::ID)]));
    let (first, second) = (first.on("GET /projects", list()), second.on("GET /projects", list()));
    let ana = Person::at_work(&[first.url(), second.url()]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let known = ana.config().with_file_name("servers.json");
    let silent_at = |at: u128| json!({ "silent": { first.url(): at as u64 } }).to_string();
    std::fs::write(&known, silent_at(now)).unwrap();
    ana.types("project list").done();
    assert_eq!((first.requests().len(), second.requests().len()), (0, 1));
    std::fs::write(&known, silent_at(now - 120_000)).unwrap();
    ana.types("project list").done();
    assert_eq!(
        (first.requests().len(), second.requests().len()),
        (1, 1),
        "two minutes later it is asked again"
    );
    std::fs::write(&known, "{ this is no").unwrap();
    ana.types("project list").done();
    assert_eq!(first.requests().len(), 2, "a damaged file says nothing");
}

#[test]
fn a_member_that_the_cluster_named_is_asked_when_the_configured_server_is_gone() {
    let member = Server::start().on("GET /projects", data(json!([project("billing", mock::ID)])));
    let address = member.url().trim_start_matches("http://");
    let node = json!({ "id": 1, "role": "leader", "peerAddr": "127.0.0.1:1", "clientAddr": address, "lag": 0,
        "lastSeenMs": null, "thisNode": true });
    let status = json!({ "clusterId": null, "nodeId": 1, "version": "1", "leader": 1, "term": 1, "committed": 1, "applied": 1,
        "stateHash": "0", "healthy": true, "toleratesLosses": 0, "nodes": [node], "timestamp": "2026-01-31T12:00:00Z" });
    let configured = Server::start()
        .on("GET /cluster/status", data(status))
        .on("GET /projects", unavailable("not_applied"));
    let ana = Person::at_work(&[configured.url()]);
    ana.types("cluster status").done();
    ana.types("project list").done();
    assert_eq!(member.requests().len(), 1);
    assert_eq!(ana.saved()["servers"], json!([configured.url()]), "what is configured stays as it is");
    // Servers of one command line are those alone.
    let ended = ana.types(&format!("project list --timeout 300ms --server {}", configured.url()));
    assert_eq!(ended.code, 3, "{ended:#?}");
}

#[test]
fn a_backup_ends_with_the_time_of_the_command() {
    let (one, other) = (Hung::start(), Hung::start());
    let ana = Person::at_work(&[one.url(), other.url()]);
    let begun = std::time::Instant::now();
    let ended = ana.types("cluster backup -o monday.backup --timeout 500ms");
    assert_eq!(ended.code, 3, "{ended:#?}");
    assert!(ended.stderr.contains("no answer within"), "{ended:#?}");
    // It took 75 s for each server.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn a_stale_backup_is_asked_for_as_such() {
    let server = Server::start()
        .on("GET /auth/me", data(mock::me()))
        .on("GET /cluster/backup", failure(403, "FORBIDDEN", "for admins", Value::Null));
    let ana = Person::at_work(&[server.url()]);
    assert_eq!(ana.types("cluster backup --stale").code, 1);
    let asked = server.requests();
    assert!(asked.iter().all(|asked| asked.line.ends_with("?consistency=stale")), "{asked:#?}");
}

#[test]
fn all_that_doctor_asks_has_one_deadline() {
    let (one, other) = (Hung::start(), Hung::start());
    let ana = Person::at_work(&[one.url(), other.url()]);
    let begun = std::time::Instant::now();
    ana.types("doctor --timeout 900ms");
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
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
fn a_wrong_scheme_and_a_wrong_host_are_said_in_plain_words() {
    let plain = Server::start().on(DONE, data(feature("api", "done")));
    let encrypted = plain.url().replace("http://", "https://");
    let ana = Person::at_work(&[&encrypted, "http://no-such-host.invalid:7401"]);
    let ended = ana.types("feature done api --timeout 5s");
    assert_eq!(ended.code, 3);
    for reason in ["it does not speak TLS: write http:// instead of https://", "no such host"] {
        assert!(ended.stderr.contains(reason), "{ended:#?}");
    }
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

#[test]
fn a_server_of_the_own_region_is_asked_first_and_another_one_when_it_is_gone() {
    let far = Server::start().on(DONE, data(feature("api", "done")));
    let near = Server::start().on(DONE, data(feature("api", "done")));
    let (in_us, in_eu) = (format!("{}#us-east", far.url()), format!("{}#eu-west", near.url()));
    let ana = Person::at_work(&[&in_us, &in_eu]);
    ana.types("feature done api --region eu-west").done();
    near.only_request();
    assert_eq!(far.requests().len(), 0, "it is not even asked");
    // Nobody is there, in the own region.
    let gone = format!("{NOBODY}#eu-west");
    let ben = Person::at_work(&[&in_us, &gone]);
    ben.types("feature done api --region eu-west").done();
    assert_eq!(far.requests().len(), 1);
    let ended = ana.types("feature done api --region eu/west");
    assert_eq!(ended.code, 2, "{ended:#?}");
    assert!(ended.stderr.contains("not the name of a region"), "{ended:#?}");
}
