//! The commands about current work and about the state of the cluster.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{ID, OTHER, Person, Server, claim, data, failure, feature, held};
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
NODE  ROLE    LAST SEEN      LAG  STATE    DISK FREE  CLIENTS
1     leader  leads          0    equal    900.0 MiB  10.0.0.1:7401
2     voter   20 ms ago      0    equal    900.0 MiB  10.0.0.2:7401  answers
3     voter   1 min 1 s ago  0    unknown  -          10.0.0.3:7401

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

#[test]
fn nodes_are_promoted_removed_and_made_leader() {
    let yes = || data(json!({ "ok": true }));
    let server = Server::start()
        .on("POST /cluster/members/4/promote", yes())
        .on("DELETE /cluster/members/4", yes())
        .on("POST /cluster/leader", data(json!({ "leader": 2 })));
    let ana = Person::at_work(&[server.url()]);
    assert_eq!(ana.types("cluster promote 4").done().stdout, "Node 4 is a voter\n");
    assert_eq!(ana.types("cluster remove 4").done().stdout, "Node 4 is out of the cluster\n");
    assert_eq!(ana.types("cluster transfer-leader --to 2").done().stdout, "Node 2 leads\n");
    ana.types("cluster transfer-leader").done();
    let requests = server.requests();
    assert_eq!((&requests[2].body, &requests[3].body), (&json!({ "to": 2 }), &json!({})));
}

#[test]
fn a_forbidden_command_names_the_role_that_may() {
    let refused =
        failure(403, "INSUFFICIENT_ROLE", "your role is Engineer, which may not do this", Value::Null);
    let server = Server::start().on("DELETE /cluster/members/4", refused);
    let ended = Person::at_work(&[server.url()]).types("cluster remove 4");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("Hint: nexus whoami shows your role"), "{ended:#?}");
}
