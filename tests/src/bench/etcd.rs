//! Three nodes of etcd on loopback, in a folder of their own. They end when the value is dropped.

use super::{load::Script, wire};
use crate::{
    cluster::free_addrs,
    eventually,
    usage::{self, Usage},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Bytes of a value: about as many as a claim has.
const VALUE_BYTES: usize = 100;
/// Bytes of a feature and of a session: about as many as Nexus stores.
const FEATURE_BYTES: usize = 400;
const SESSION_BYTES: usize = 200;
/// The number of files of a feature.
const FILES: [&str; 3] = ["api.rs", "store.rs", "tests.rs"];

/// A cluster of three etcd nodes.
pub struct Etcd {
    nodes: Vec<Child>,
    clients: Vec<String>,
    _folder: TempDir,
}

impl Etcd {
    /// Starts three nodes of this etcd program with its default settings, and waits until they serve.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nexus-bench-etcd-").tempdir()?;
        let addrs = free_addrs(6);
        let (clients, peers) = addrs.split_at(3);
        let members = peers.iter().enumerate().map(|(at, addr)| format!("node{at}=http://{addr}"));
        let members = members.collect::<Vec<_>>().join(",");
        let mut etcd = Self { nodes: Vec::new(), clients: clients.to_vec(), _folder: folder };
        for (at, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let data: PathBuf = etcd._folder.path().join(at.to_string());
            let log = File::create(data.with_extension("log"))?;
            let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
            let node = Command::new(program)
                .args(["--name", &format!("node{at}"), "--data-dir"])
                .arg(&data)
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &members, "--log-level", "error", "--logger", "zap"])
                .env_clear()
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn();
            etcd.nodes.push(node.with_context(|| format!("cannot start {}", program.display()))?);
        }
        for addr in clients {
            eventually("etcd serves", || async {
                let answer = reqwest::get(format!("http://{addr}/health")).await.ok()?;
                answer.status().is_success().then_some(())
            })
            .await;
        }
        Ok(etcd)
    }

    /// Each client puts a small value under its own key, through the gateway for JSON.
    pub fn puts(&self, clients: usize) -> Vec<Script> {
        let value = value(VALUE_BYTES);
        let script = |client: usize| {
            let addr = self.clients[client % self.clients.len()].clone();
            let key = base64(format!("bench/key-{client}").as_bytes());
            let body = format!(r#"{{"key":"{key}","value":"{value}"}}"#);
            let round = vec![wire::post(&addr, "/v3/kv/put", &[], &body)];
            Script { addr, round, expected: None }
        };
        (0..clients).map(script).collect()
    }

    /// Each client does the work of a pick and a release, as one transaction each: every path is compared, then the
    /// claims, the feature and the session are put, or the claims are deleted again and the other two put.
    pub fn picks(&self, clients: usize) -> Vec<Script> {
        let script = |client: usize| {
            let addr = self.clients[client % self.clients.len()].clone();
            let paths: Vec<String> =
                FILES.iter().map(|file| format!("bench/src/part-{client}/{file}")).collect();
            let claim = value(VALUE_BYTES);
            let entities = [
                put(&format!("bench/feature-{client}"), FEATURE_BYTES),
                put(&format!("bench/session-{client}"), SESSION_BYTES),
            ];
            let is_free = |path: &String| json!({ "key": base64(path.as_bytes()), "target": "CREATE", "create_revision": "0", "result": "EQUAL" });
            let is_held = |path: &String| json!({ "key": base64(path.as_bytes()), "target": "VALUE", "value": claim, "result": "EQUAL" });
            let take = paths.iter().map(|path| put(path, VALUE_BYTES)).chain(entities.clone());
            let give_back = paths
                .iter()
                .map(|path| json!({ "requestDeleteRange": { "key": base64(path.as_bytes()) } }))
                .chain(entities.clone());
            let transaction = |compare: Vec<Value>, success: Vec<Value>| {
                let body = json!({ "compare": compare, "success": success }).to_string();
                wire::post(&addr, "/v3/kv/txn", &[], &body)
            };
            let round = vec![
                transaction(paths.iter().map(is_free).collect(), take.collect()),
                transaction(paths.iter().map(is_held).collect(), give_back.collect()),
            ];
            Script { addr, round, expected: Some(r#""succeeded":true"#) }
        };
        (0..clients).map(script).collect()
    }

    /// Processor time and memory of each node.
    pub fn usage(&self) -> Vec<Usage> {
        self.nodes.iter().filter_map(|node| usage::of(node.id())).collect()
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // The process may have ended by itself.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// A value of this many bytes.
fn value(bytes: usize) -> String {
    base64(&vec![b'v'; bytes])
}

/// Puts this many bytes under a key, within a transaction.
fn put(key: &str, bytes: usize) -> Value {
    json!({ "requestPut": { "key": base64(key.as_bytes()), "value": value(bytes) } })
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word =
            three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let six = (word >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= three.len() { char::from(DIGITS[six]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_what_the_rfc_says() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
