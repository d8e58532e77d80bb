//! Fenced nodes, seen from outside: what they say, and how they are rebuilt.

use crate::{Client, eventually};
use reqwest::Method;
use serde_json::json;

/// Waits until a node says that it is fenced, and returns its words. The whole reason is in its log.
///
/// # Panics
/// When it does not.
pub async fn fenced(url: &str) -> String {
    let client = Client::new(url);
    eventually("the node is fenced", || async {
        let ready = client.send(Method::GET, "/health/ready", None).await.ok()?;
        let said = ready.body["checks"]["raft"]["message"].as_str()?.to_owned();
        (ready.status == 503 && said.contains("is fenced")).then_some(said)
    })
    .await
}

/// Rebuilds a node through another one as soon as that one knows of the fence. Returns the folder of the former data.
///
/// # Panics
/// When it is refused for any other reason.
pub async fn rebuild(admin: &Client, node: u64) -> String {
    let path = format!("/cluster/members/{node}/rebuild");
    eventually("the node is rebuilt", || async {
        let answer = admin.send(Method::POST, &path, Some(&json!({}))).await.ok()?;
        if answer.status.is_success() {
            return Some(answer.data()["keptIn"].as_str().expect("the folder is named").to_owned());
        }
        let text = answer.message();
        let is_for_now = text.contains("is not fenced") || text.contains("try again in some seconds");
        assert!(is_for_now || answer.status == 503, "{answer:?}");
        None
    })
    .await
}
