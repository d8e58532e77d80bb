//! Asks a node whether it is ready, as container engines and scripts do by `nexusd health`.

use crate::http_client::{authorities, root_cause, tls_reason};
use anyhow::{Context, bail};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// Longest wait for the answer. A node that is well answers within its own limit of a second.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Characters of a node's message that are shown.
const MAX_SHOWN: usize = 300;

/// Asks the node that listens at an address, `host:port`, and returns a sentence that says that it is ready. With
/// authorities, it is asked by `https`.
///
/// # Errors
/// A sentence that says why it is not, and what to do.
pub async fn check_health(addr: &str, ca: Option<&Path>) -> anyhow::Result<String> {
    let (addr, is_substituted) = reachable(addr);
    let http = http_client(ca, is_substituted)?;
    let scheme = if ca.is_some() { "https" } else { "http" };
    match ready_answer(&http, &format!("{scheme}://{addr}/health/ready")).await {
        Ok((200, _)) => Ok(format!("The node at {addr} is ready.")),
        Ok((status, body)) => bail!("the node at {addr} is not ready: {}", reason(status, &body)),
        Err(error) => bail!(
            "no node answers at {addr} by {scheme}: {}; name the address of its --listen with --addr, and its \
             authorities with --ca if it has certificates",
            unanswered(&error)
        ),
    }
}

/// A client that asks no proxy: the node is this machine's own. At the address that stands for every interface, its
/// certificate may name any host: those of other addresses may be the only ones that it names. The authority is
/// checked.
fn http_client(ca: Option<&Path>, any_host: bool) -> anyhow::Result<reqwest::Client> {
    // Without authorities, it asks in plain text. It does not need those of the system, which an image may lack.
    let trusted = ca.map_or(Ok(Vec::new()), |path| authorities("--ca", path))?;
    let builder = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().tls_certs_only(trusted);
    let builder = builder.tls_danger_accept_invalid_hostnames(any_host);
    builder.build().context("cannot make an HTTP client")
}

/// The status and the body of the node's answer.
async fn ready_answer(http: &reqwest::Client, url: &str) -> reqwest::Result<(u16, Value)> {
    let answer = http.get(url).send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}

/// An address that listens on every interface is asked on the loopback one. Returns whether it was replaced by that.
fn reachable(addr: &str) -> (String, bool) {
    match addr.rsplit_once(':') {
        Some(("0.0.0.0" | "*" | "", port)) => (format!("127.0.0.1:{port}"), true),
        Some(("[::]", port)) => (format!("[::1]:{port}"), true),
        _ => (addr.to_owned(), false),
    }
}

/// Why a node is not ready, from its answer.
fn reason(status: u16, body: &Value) -> String {
    let checks = &body["checks"];
    let said = checks["raft"]["message"].as_str().or_else(|| body["error"]["message"].as_str());
    match said {
        Some(said) => said.chars().filter(|shown| !shown.is_control()).take(MAX_SHOWN).collect(),
        None if checks["storage"]["status"] == "unhealthy" => "its storage cannot be read".to_owned(),
        None => format!("it answers {status}"),
    }
}

/// Why a node did not answer.
fn unanswered(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("nothing within {} s", TIMEOUT.as_secs());
    }
    tls_reason(error).unwrap_or_else(|| root_cause(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_the_loopback_interface() {
        for (listen, asked) in [
            ("0.0.0.0:7401", "127.0.0.1:7401"),
            (":7401", "127.0.0.1:7401"),
            ("[::]:7401", "[::1]:7401"),
            ("10.0.0.1:7401", "10.0.0.1:7401"),
            ("node1", "node1"),
        ] {
            assert_eq!(reachable(listen), (asked.to_owned(), listen != asked));
        }
    }

    #[test]
    fn the_reason_is_the_nodes_own_without_control_characters() {
        let not_ready = json!({"checks": {"raft": {"message": "no quorum\u{1b}[2J answered"}}});
        assert_eq!(reason(503, &not_ready), "no quorum[2J answered");
        let damaged = json!({"checks": {"raft": {"status": "healthy"}, "storage": {"status": "unhealthy"}}});
        assert_eq!(reason(503, &damaged), "its storage cannot be read");
        assert_eq!(reason(404, &Value::Null), "it answers 404");
        assert_eq!(reason(503, &json!({"checks": {"raft": {"message": "x".repeat(9999)}}})).len(), MAX_SHOWN);
    }
}
