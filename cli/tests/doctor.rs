//! The findings of `nexus doctor` on a server that answers and is of no use.
#![allow(clippy::unwrap_used)]

mod mock;

use mock::{Person, Server, bare, data};
use serde_json::{Value, json};

const NOW: &str = "2026-01-31T12:00:00Z";

/// A server that lives, with this readiness and this status of its cluster.
fn server(ready: (u16, &str, Value), version: &str, removed: bool) -> Server {
    let (code, status, message) = ready;
    let raft = json!({ "status": "healthy", "latencyMs": 0, "role": "follower", "leader": null, "term": 1, "lag": 0,
        "message": message });
    let checks = json!({ "raft": raft, "storage": { "status": "healthy", "latencyMs": 0 } });
    let mut cluster = json!({ "clusterId": null, "nodeId": 1, "version": version, "leader": null, "term": 1, "committed": 1,
        "applied": 1, "stateHash": "0", "healthy": code == 200, "toleratesLosses": 0, "nodes": [], "timestamp": NOW });
    if removed {
        cluster["removed"] = json!(true);
    }
    Server::start()
        .on("GET /health/live", bare(200, &json!({ "status": "alive", "timestamp": NOW })))
        .on("GET /health/ready", bare(code, &json!({ "status": status, "checks": checks, "timestamp": NOW })))
        .on("GET /cluster/status", data(cluster))
        .on("GET /auth/me", data(mock::me()))
}

fn check_of(server: &Server) -> Value {
    let found = Person::at_work(&[server.url()]).types("doctor --json").json();
    let name = format!("server {}", server.url());
    found["checks"].as_array().unwrap().iter().find(|check| check["name"] == name.as_str()).unwrap().clone()
}

#[test]
fn a_removed_node_is_not_ok() {
    let removed = server((503, "not_ready", json!("no quorum")), env!("CARGO_PKG_VERSION"), true);
    let check = check_of(&removed);
    assert_eq!(
        (&check["status"], &check["message"]),
        (&json!("bad"), &json!("was removed from the cluster"))
    );
}

#[test]
fn a_node_that_cannot_read_is_not_ok() {
    let unready =
        server((503, "not_ready", json!("no quorum answered in time")), env!("CARGO_PKG_VERSION"), false);
    let check = check_of(&unready);
    assert_eq!(
        (&check["status"], &check["message"]),
        (&json!("bad"), &json!("is not ready: no quorum answered in time"))
    );
}

#[test]
fn another_version_is_a_warning() {
    let check = check_of(&server((200, "ready", Value::Null), "0.0.1", false));
    assert_eq!(check["status"], "warning");
    assert!(check["message"].as_str().unwrap().starts_with("runs version 0.0.1"), "{check}");
    let check = check_of(&server((200, "ready", Value::Null), env!("CARGO_PKG_VERSION"), false));
    assert_eq!(check["status"], "ok", "{check}");
}
