//! The command line can do what REST can: each operation has its command, or a reason why it has none.

use nexus_tests::{Agent, Checkout, Cluster, Team};
use std::collections::BTreeSet;

/// Operations with the command that does them: each can be called as it stands, with `--help`.
const COMMANDS: [(&str, &str); 62] = [
    ("POST /auth/register", "people invite"),
    ("GET /auth/me", "whoami"),
    ("GET /auth/keys", "keys list"),
    ("POST /auth/keys", "keys create"),
    ("DELETE /auth/keys/{key}", "keys revoke"),
    ("GET /engineers", "people list"),
    ("GET /engineers/{engineer}", "people show"),
    ("PATCH /engineers/{engineer}", "people role"),
    ("DELETE /engineers/{engineer}", "people remove"),
    ("POST /engineers/{engineer}/keys", "people reset-key"),
    ("GET /projects", "project list"),
    ("POST /projects", "project create"),
    ("GET /projects/{project}", "project info"),
    ("PATCH /projects/{project}", "project update"),
    ("DELETE /projects/{project}", "project delete"),
    ("POST /projects/{project}/members", "project add-member"),
    ("DELETE /projects/{project}/members/{engineer}", "project remove-member"),
    ("GET /projects/{project}/features", "feature list"),
    ("POST /projects/{project}/features", "feature create"),
    ("GET /projects/{project}/features/available", "feature available"),
    ("GET /projects/{project}/features/{slug}", "feature show"),
    ("PATCH /projects/{project}/features/{slug}", "feature edit"),
    ("DELETE /projects/{project}/features/{slug}", "feature delete"),
    ("DELETE /projects/{project}/finished/{slug}", "feature delete --finished"),
    ("POST /projects/{project}/features/pick-next", "next"),
    ("POST /projects/{project}/features/{slug}/pick", "feature pick"),
    ("POST /projects/{project}/features/{slug}/ready", "feature ready"),
    ("POST /projects/{project}/features/{slug}/draft", "feature draft"),
    ("POST /projects/{project}/features/{slug}/release", "feature release"),
    ("POST /projects/{project}/features/{slug}/done", "feature done"),
    ("POST /projects/{project}/features/{slug}/cancel", "feature cancel"),
    ("GET /projects/{project}/claims", "claims"),
    ("GET /projects/{project}/claims/mine", "claims --mine"),
    ("POST /projects/{project}/claims", "claim"),
    ("DELETE /projects/{project}/claims", "unclaim"),
    ("POST /projects/{project}/claims/check", "why"),
    ("POST /projects/{project}/claims/force-release", "force-release"),
    ("POST /projects/{project}/sessions", "session start"),
    ("GET /projects/{project}/sessions/active", "status"),
    ("DELETE /projects/{project}/sessions/{session}", "session end"),
    ("GET /projects/{project}/status", "status"),
    ("POST /projects/{project}/sessions/checkpoints", "save"),
    ("GET /projects/{project}/sessions/checkpoints/latest", "resume"),
    ("POST /projects/{project}/features/{slug}/learnings", "learn"),
    ("GET /projects/{project}/features/{slug}/learnings", "search"),
    ("POST /projects/{project}/decisions", "decision"),
    ("GET /projects/{project}/decisions", "search"),
    ("GET /projects/{project}/roadmap", "roadmap"),
    ("PATCH /projects/{project}/roadmap/reorder", "roadmap reorder"),
    ("PATCH /projects/{project}/roadmap/{slug}/lane", "roadmap move"),
    ("GET /projects/{project}/events", "events"),
    ("GET /cluster/status", "cluster status"),
    ("POST /cluster/members/{node}/promote", "cluster promote"),
    ("DELETE /cluster/members/{node}", "cluster remove"),
    ("POST /cluster/leader", "cluster transfer-leader"),
    ("POST /cluster/snapshot", "cluster snapshot"),
    ("GET /cluster/backup", "cluster backup"),
    ("GET /cluster/settings", "cluster settings"),
    ("PATCH /cluster/settings", "cluster settings"),
    ("POST /cluster/join-tokens", "cluster join-token"),
    ("GET /health", "doctor"),
    ("GET /health/ready", "doctor"),
];

/// Operations without a command, and why.
const WITHOUT_COMMAND: [(&str, &str); 7] = [
    ("POST /auth/ws-ticket", "browsers need it, which send no header with a WebSocket"),
    ("POST /projects/{project}/claims/refresh", "every request of a session renews what it holds"),
    ("POST /projects/{project}/sessions/{session}/heartbeat", "the keep-alive process of a run sends it"),
    (
        "GET /projects/{project}/sessions/checkpoints",
        "resume shows the latest one; the older ones are for programs",
    ),
    ("POST /cluster/members", "a node that starts with --join sends it"),
    ("GET /health/live", "supervisors of a process ask it"),
    ("GET /metrics", "Prometheus reads it"),
];

#[tokio::test]
async fn each_operation_has_its_command_or_a_reason_why_not() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let document = team.admin.get("/openapi.json").await.body;
    let mut described = BTreeSet::new();
    for (template, operations) in document["paths"].as_object().expect("a document has paths") {
        let route = template.strip_prefix("/api").unwrap_or(template);
        for method in ["get", "post", "patch", "delete", "put"] {
            if !operations[method].is_null() {
                described.insert(format!("{} {route}", method.to_uppercase()));
            }
        }
    }
    let listed = COMMANDS.iter().chain(&WITHOUT_COMMAND).map(|(operation, _)| (*operation).to_owned());
    let listed: BTreeSet<String> = listed.collect();
    let missing: Vec<_> = described.difference(&listed).collect();
    assert!(missing.is_empty(), "name the command that does it, or why none does: {missing:#?}");
    let gone: Vec<_> = listed.difference(&described).collect();
    assert!(gone.is_empty(), "no such operation: {gone:#?}");

    let checkout = Checkout::new(&cluster.urls());
    let mut shell = Agent::start(&checkout, &checkout.root(), "bash");
    for (operation, command) in COMMANDS {
        let words: Vec<&str> = command.split(' ').collect();
        let (flags, words): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with("--"));
        let help = shell.runs(&format!("nexus {} --help", words.join(" "))).done().stdout;
        for flag in flags {
            assert!(help.contains(flag), "{operation}: nexus {command} is not in its help");
        }
        let usage = format!("Usage: nexus {}", words.join(" "));
        assert!(help.contains(&usage), "{operation}: there is no nexus {command}");
    }
}
