//! The commands about current work and about the state of the cluster.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, OTHER, Person, Reply, Server, claim, data, failure, feature, held};
use serde_json::{Value, json};

#[test]
fn the_status_says_who_works_on_what() {
    let mut lost = feature("reports", "ready");
    lost["interruptedAt"] = json!("2025-01-31T14:00:00.000Z");
    let session = json!({ "id": OTHER, "projectId": ID, "engineerId": ID, "featureId": ID, "status": "active",
        "lastHeartbeat": "2025-01-31T14:00:00.000Z", "metadata": { "gitBranch": "api" }, "createdAt": "2025-01-31T14:00:00.000Z",
        "agent": "build", "expiresAt": "2025-01-31T14:00:00.000Z" });
    let engineer = json!({ "id": ID, "name": "ana", "email": "ana@example.com" });
    let mut working = session.clone();
    working["session"] = session;
    working["engineer"] = engineer;
    let status = json!({ "activeFeatures": [held("api")], "claims": [claim("src/db.rs", "exclusive"), claim("docs/", "shared")],
        "sessions": [working], "interrupted": [lost] });
    let server = Server::start().on(&format!("GET /projects/{ID}/status"), data(status.clone()));
    let ana = Person::at_work(&[server.url()]);
    let shown = ana.types("status").done().stdout;
    for part in [
        "Active features\nFEATURE  TITLE    HOLDER                      SINCE\napi      The API  ana's agent \"build\" on api  ",
        "Files held\nHOLDER               FEATURE  FILES             UNTIL\nana's agent \"build\"  api      src/db.rs, docs/  2025-01-31 (any moment now)\n",
        "Interrupted: may be taken up again\nFEATURE  TITLE    INTERRUPTED\nreports  The API  ",
        "Sessions\nSESSION                     STATE   LAST SEEN",
    ] {
        assert!(shown.contains(part), "{part}\n---\n{shown}");
    }
    assert_eq!(ana.types("status --json").done().json(), status);
}

#[test]
fn an_idle_project_says_what_to_do() {
    let status = json!({ "activeFeatures": [], "claims": [], "sessions": [], "interrupted": [] });
    let server = Server::start().on(&format!("GET /projects/{ID}/status"), data(status));
    let ended = Person::at_work(&[server.url()]).types("status").done();
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("nexus feature available"), "{ended:#?}");
}

#[test]
fn the_nodes_are_listed_with_how_many_may_be_lost() {
    let node = |id: u64, role: &str, seen: Value| {
        json!({ "id": id, "role": role, "peerAddr": format!("10.0.0.{id}:7501"), "clientAddr": format!("10.0.0.{id}:7401"),
            "lag": 0, "lastSeenMs": seen, "thisNode": id == 2 })
    };
    let reported = |mut node: Value| {
        node["applied"] = json!(89);
        node["stateHash"] = json!("00ff");
        node["diskFreeBytes"] = json!(900 << 20);
        node
    };
    let status = json!({ "clusterId": ID, "nodeId": 2, "version": "0.1.0", "leader": 1, "term": 7, "committed": 90, "applied": 89,
        "stateHash": "00ff", "healthy": true, "toleratesLosses": 1, "timestamp": "2026-01-31T12:00:00.000Z",
        "nodes": [reported(node(1, "leader", Value::Null)), reported(node(2, "voter", json!(20))), node(3, "voter", json!(61_000))] });
    let server = Server::start().on("GET /cluster/status", data(status.clone()));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("cluster status").done();
    assert_eq!(
        ended.stdout,
        format!(
            "\
NODE  ROLE    LAG  TRIP     FLUSH  USED  FREE       STATE
1     leader  0    -        -      -     900.0 MiB  equal
2     voter   0    answers  -      -     900.0 MiB  equal
3     voter   0    -        -      -     -          silent

Degraded: silent node 3; no further loss is borne
Cluster     {ID}
Node        2, version 0.1.0
Log         term 7, committed 90, applied 89
State hash  00ff
"
        )
    );
    assert_eq!(ana.types("cluster status --json").done().json(), status);
}

#[test]
fn a_join_token_alone_is_data() {
    let made = json!({ "token": "join-me", "expiresAt": "2025-01-31T14:00:00.000Z" });
    let server = Server::start().on("POST /cluster/join-tokens", data(made));
    let ended = Person::at_work(&[server.url()]).types("cluster join-token --ttl 30m").done();
    assert_eq!(ended.stdout, "join-me\n");
    assert!(ended.stderr.contains(&format!("nexusd start --join {}", server.url())), "{ended:#?}");
    assert_eq!(server.only_request().body, json!({ "ttlSeconds": 1800 }));
}

/// An answer to a change of the membership, with the plan that a dry run asks for.
fn planned(may_lose: [u64; 2]) -> Reply {
    let voters = |may_lose: u64| json!({ "voters": [1, 2, 3], "quorum": 2, "answering": [1, 2, 3], "mayLose": may_lose });
    let [before, after] = may_lose.map(voters);
    data(
        json!({ "ok": true, "leader": 2, "plan": { "steps": ["something changes"], "before": before, "after": after } }),
    )
}

#[test]
fn nodes_are_promoted_removed_and_made_leader() {
    let server = Server::start()
        .on("POST /cluster/plan", planned([1, 1]))
        .on("POST /cluster/members/4/promote", planned([1, 1]))
        .on("POST /cluster/members/4/demote", planned([1, 1]))
        .on("POST /cluster/members/4/drain", planned([1, 1]))
        .on("DELETE /cluster/members/4/drain", planned([1, 1]))
        .on("DELETE /cluster/members/4", planned([1, 1]))
        .on("POST /cluster/leader", planned([1, 1]));
    let ana = Person::at_work(&[server.url()]);
    assert_eq!(ana.types("cluster promote 4").done().stdout, "Node 4 is a voter\n");
    assert_eq!(ana.types("cluster demote 4").done().stdout, "Node 4 is a replica without a vote\n");
    assert_eq!(ana.types("cluster drain 4").done().stdout, "Node 4 is drained; node 2 leads\n");
    assert_eq!(ana.types("cluster drain 4 --undo").done().stdout, "Node 4 is ready again\n");
    assert_eq!(ana.types("cluster remove 4").done().stdout, "Node 4 is out of the cluster\n");
    assert_eq!(ana.types("cluster transfer-leader --to 2").done().stdout, "Node 2 leads\n");
    ana.types("cluster transfer-leader --yes").done();
    let lines: Vec<String> = server.requests().iter().map(|request| request.line.clone()).collect();
    assert_eq!(lines.len(), 13, "{lines:?}");
    assert!(lines[0].ends_with("/cluster/plan") && lines[1].ends_with("promote"), "{lines:?}");
    let asked = &server.requests()[6].body;
    assert_eq!(asked, &json!({ "change": "undrain", "node": 4 }));
    let bodies: Vec<Value> = server.requests()[10..].iter().map(|request| request.body.clone()).collect();
    assert_eq!(bodies, [json!({ "change": "transfer_leader", "to": 2 }), json!({ "to": 2 }), json!({})]);
}

#[test]
fn whoever_makes_the_cluster_bear_fewer_losses_has_to_say_so() {
    let server = Server::start()
        .on("POST /cluster/plan", planned([1, 0]))
        .on("DELETE /cluster/members/4", planned([1, 0]));
    let ana = Person::at_work(&[server.url()]);
    let ended = ana.types("cluster remove 4");
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_eq!(
        ended.stderr,
        "Error: afterwards the cluster bears the loss of 0 nodes instead of 1\n\
         Hint: --yes does it all the same; --dry-run shows the plan\n"
    );
    let plan = ana.types("cluster remove 4 --dry-run").done();
    assert_eq!(
        plan.stdout,
        "        VOTERS   QUORUM  ANSWERING  MAY BE LOST\n\
         before  1, 2, 3  2       1, 2, 3    1\n\
         after   1, 2, 3  2       1, 2, 3    0\n\
         \n\
         1. something changes\n"
    );
    assert_eq!(plan.stderr, "Nothing was done: this was a dry run.\n");
    assert_eq!(ana.types("cluster remove 4 --dry-run --json").done().json()["after"]["mayLose"], 0);
    assert_eq!(ana.types("cluster remove 4 --json").code, 2);
    let asked = server.requests();
    assert!(asked.iter().all(|request| request.line == "POST /api/cluster/plan"), "{asked:?}");
    assert_eq!(ana.types("cluster remove 4 --yes").done().stdout, "Node 4 is out of the cluster\n");
    assert_eq!(ana.types("cluster remove 4 --yes --dry-run").code, 2);
}

fn members(members: Value) -> Reply {
    data(json!({ "members": members }))
}

/// A node that the leader has heard of late.
fn heard(mut member: Value) -> Value {
    member["lastSeenMs"] = json!(20);
    member
}

fn member(id: u64, role: &str, lag: u64) -> Value {
    json!({ "id": id, "role": role, "replica": false, "peerAddr": "p:1", "clientAddr": "c:1", "instance": null,
        "admittedAt": null, "lag": lag })
}

#[test]
fn a_node_is_replaced_once_the_new_one_has_caught_up() {
    let mut server = Server::start();
    // It takes longer than a request may.
    for lag in [90_000, 80_000, 70_000, 60_000, 50_000, 40_000, 0] {
        server = server.on("GET /cluster/members", members(json!([member(6, "learner", lag)])));
    }
    let server = server
        .on("GET /cluster/members", members(json!([heard(member(6, "learner", 3))])))
        .on("POST /cluster/plan", planned([0, 1]))
        .on("POST /cluster/members/3/replace", planned([0, 1]));
    let ended = Person::at_work(&[server.url()]).types("cluster replace 3 6 --timeout 2s").done();
    assert_eq!(ended.stdout, "Node 6 is a voter in the place of node 3, which is out\n");
    let last = server.requests().pop().expect("requests");
    assert_eq!((last.line.as_str(), last.body), ("POST /api/cluster/members/3/replace", json!({ "by": 6 })));
}

#[test]
fn the_command_for_a_new_machine_is_printed_and_its_node_followed() {
    let made = json!({ "token": "join-me", "expiresAt": "2025-01-31T14:00:00.000Z" });
    let alone = || members(json!([member(1, "leader", 0)]));
    let mut server = Server::start().on("POST /cluster/join-tokens", data(made));
    // It takes longer than a request may.
    for _ in 0..4 {
        server = server.on("GET /cluster/members", alone());
    }
    let server = server
        .on("GET /cluster/members", members(json!([member(1, "leader", 0), member(7, "learner", 3)])))
        .on("GET /cluster/members", members(json!([member(1, "leader", 0), member(7, "voter", 3)])));
    let ended = Person::at_work(&[server.url()]).types("cluster add --wait --timeout 2s").done();
    assert_eq!(
        ended.stdout,
        format!(
            "nexusd start --join {} --join-token join-me --data-dir DIR --listen HOST:7401 --peer-listen HOST:7501\n",
            server.url()
        )
    );
    assert!(ended.stderr.contains("Node 7 is a voter"), "{ended:#?}");
}

#[test]
fn a_forbidden_command_names_the_role_that_may() {
    let refused =
        failure(403, "INSUFFICIENT_ROLE", "your role is Engineer, which may not do this", Value::Null);
    let server = Server::start().on("POST /cluster/plan", refused);
    let ended = Person::at_work(&[server.url()]).types("cluster remove 4");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("Hint: nexus whoami shows your role"), "{ended:#?}");
}

#[test]
fn a_server_that_plans_nothing_is_not_asked_to_do_it() {
    let server = Server::start().on("DELETE /cluster/members/4", planned([1, 0]));
    let ana = Person::at_work(&[server.url()]);
    for command in ["cluster remove 4 --dry-run", "cluster remove 4"] {
        let ended = ana.types(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
        assert!(ended.stderr.contains("of an earlier version"), "{ended:#?}");
    }
    assert!(server.requests().iter().all(|request| request.line == "POST /api/cluster/plan"));
}
