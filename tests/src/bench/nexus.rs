//! A cluster of three nodes with sessions and features for every client of a measurement.

use super::{load::Script, wire};
use crate::{Cluster, Node, Team, usage::Usage};
use serde_json::json;

/// A cluster, and the sessions that work on it.
pub struct Nexus {
    cluster: Cluster,
    project: String,
    key: String,
    /// One for each client.
    sessions: Vec<String>,
}

impl Nexus {
    /// Starts three nodes, and makes a session and a ready feature with three files for each client.
    pub async fn start(clients: usize) -> Self {
        let cluster = Cluster::start(3).await;
        let team = Team::of(&cluster).await;
        let mut sessions = Vec::new();
        for client in 0..clients {
            let agent = team.agent(&team.admin, &format!("agent-{client}")).await;
            sessions.push(agent.session().expect("an agent has a session").to_owned());
            let files: Vec<String> = ["api.rs", "store.rs", "tests.rs"]
                .iter()
                .map(|name| format!("src/part-{client}/{name}"))
                .collect();
            let touches: Vec<&str> = files.iter().map(String::as_str).collect();
            team.ready_feature(&format!("feature-{client}"), &touches).await;
        }
        let key = team.admin.key().expect("an admin has a key").to_owned();
        Self { cluster, project: team.project, key, sessions }
    }

    /// Each client sends heartbeats of its own session.
    pub fn heartbeats(&self, clients: usize) -> Vec<Script> {
        self.scripts(clients, |_, session| vec![(format!("sessions/{session}/heartbeat"), None)])
    }

    /// Each client picks its own feature, with its three files, and releases it.
    pub fn picks(&self, clients: usize) -> Vec<Script> {
        self.scripts(clients, |client, session| {
            let step = |step: &str| (format!("features/feature-{client}/{step}"), Some(session.to_owned()));
            vec![step("pick"), step("release")]
        })
    }

    /// Processor time and memory of each node.
    pub fn usage(&self) -> Vec<Usage> {
        let nodes = self.cluster.nodes.iter();
        nodes.filter_map(Node::usage).map(|(resident_kib, ticks)| Usage { resident_kib, ticks }).collect()
    }

    /// Clients spread over the nodes, each with a round of (path in the project, acting session).
    fn scripts(
        &self,
        clients: usize,
        round: impl Fn(usize, &str) -> Vec<(String, Option<String>)>,
    ) -> Vec<Script> {
        let urls = self.cluster.urls();
        let authorization = format!("Bearer {}", self.key);
        let script = |(client, session): (usize, &String)| {
            let addr = urls[client % urls.len()].trim_start_matches("http://").to_owned();
            let request = |(path, acting): (String, Option<String>)| {
                let mut headers = vec![("Authorization", authorization.as_str())];
                headers.extend(acting.as_deref().map(|session| ("X-Nexus-Session", session)));
                wire::post(&addr, &format!("/api/projects/{}/{path}", self.project), &headers, "")
            };
            let round = round(client, session).into_iter().map(request).collect();
            Script { addr, round, expected: None }
        };
        self.sessions.iter().enumerate().take(clients).map(script).collect()
    }

    /// Leases long enough for every measurement, however slow the machine is.
    pub async fn lengthen_leases(&self) {
        let admin = self.cluster.client().with_key(self.key.clone());
        admin.patch("/cluster/settings", json!({ "session.timeout": 3600 })).await.data();
    }
}
