//! Engineers, agents and a project to work on.

use crate::{client::Client, cluster::Cluster, patience::eventually};
use serde_json::{Value, json};

/// An admin with a project, to which engineers can be added.
#[derive(Clone)]
pub struct Team {
    /// The admin, who leads the project.
    pub admin: Client,
    /// The project's id.
    pub project: String,
}

/// An engineer of a team.
#[derive(Clone)]
pub struct Engineer {
    /// Acts as the engineer.
    pub client: Client,
    /// The id of the engineer.
    pub id: String,
}

impl Team {
    /// Registers the first admin and makes a project.
    pub async fn of(cluster: &Cluster) -> Self {
        let register = || async {
            for token in cluster.bootstrap_tokens() {
                let body = json!({ "name": "Root", "email": "root@example.com", "bootstrapToken": token });
                let answer = cluster.client().post("/auth/register", body).await;
                if answer.status.is_success() {
                    return Some(answer);
                }
            }
            None
        };
        let answer = eventually("the first admin is registered", register).await;
        let key = answer.data()["apiKey"].as_str().expect("a key").to_owned();
        let admin = cluster.client().with_key(key);
        let body = json!({ "name": "Demo", "slug": "demo" });
        let project = admin.post("/projects", body).await.data()["id"].as_str().expect("an id").to_owned();
        Self { admin, project }
    }

    /// A path in the project.
    pub fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.project)
    }

    /// Registers an engineer and adds them to the project.
    pub async fn engineer(&self, name: &str) -> Engineer {
        let stranger = self.stranger(name).await;
        let body = json!({ "engineerId": stranger.id });
        self.admin.post(&self.path("/members"), body).await.data();
        stranger
    }

    /// Registers an engineer who is not in the project.
    pub async fn stranger(&self, name: &str) -> Engineer {
        let body = json!({ "name": name, "email": format!("{name}@example.com") });
        let answer = self.admin.post("/auth/register", body).await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let client = self.admin.with_key(text(&answer.data()["apiKey"]));
        Engineer { client, id: text(&answer.data()["engineer"]["id"]) }
    }

    /// Starts a session of an agent. Returns a client that acts as the session.
    pub async fn agent(&self, engineer: &Client, name: &str) -> Client {
        let answer = engineer.post(&self.path("/sessions"), json!({ "agent": name })).await;
        engineer.acting_as(answer.data()["id"].as_str().expect("an id"))
    }

    /// Writes a feature that is ready to be picked.
    pub async fn ready_feature(&self, slug: &str, touches: &[&str]) {
        let body = json!({ "slug": slug, "title": slug, "spec": "do it", "touches": touches });
        self.admin.post(&self.path("/features"), body).await.data();
        self.admin.post(&self.path(&format!("/features/{slug}/ready")), json!({})).await.data();
    }

    /// Changes the cluster's settings.
    pub async fn settings(&self, settings: Value) {
        self.admin.patch("/cluster/settings", settings).await.data();
    }

    /// Waits until the cluster goes by the newest rules, which begins soon after its start.
    pub async fn newest_rules(&self) {
        let nobody = uuid::Uuid::now_v7();
        let path = format!("/engineers/{nobody}/keys");
        eventually("the cluster goes by the newest rules", || async {
            // A command that came with them. It is refused, since there is no such engineer.
            (self.admin.post(&path, json!({})).await.status.as_u16() == 404).then_some(())
        })
        .await;
    }

    /// Creates a join token.
    pub async fn join_token(&self) -> String {
        let answer = self.admin.post("/cluster/join-tokens", json!({})).await;
        answer.data()["token"].as_str().expect("a token").to_owned()
    }
}
