//! Requests that are reset right after they were sent, many on one connection: the work that a node began for them may
//! go on although no client waits for it. Keys that a node sees for the first time, pages of long texts, expensive
//! writes, and tools over `/mcp`.

use super::context::Attack;
use crate::raw;
use bytes::Bytes;
use futures::future::join_all;
use serde_json::{Value, json};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::tungstenite::http::Request;

/// Keys of each member: almost as many as an engineer may have.
const KEYS: usize = 90;
/// The number of features, and the bytes of each spec.
const FEATURES: usize = 60;
const SPEC_BYTES: usize = 200_000;
/// The number of connections over all nodes, and of requests on each before all of them are reset.
const CONNECTIONS: usize = 24;
const STREAMS: usize = 64;
/// Time until the requests of a connection are reset: their work has begun, and is not done.
const RESET_AFTER: Duration = Duration::from_millis(2);
/// Time between two connections.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn send(attack: &Attack) {
    let spec = "long text ".repeat(SPEC_BYTES / 10);
    attack
        .flood(0.2, 4, attack.most(FEATURES, 10), |n| {
            let spec = &spec;
            async move {
                let slug = format!("long-{n}");
                let feature = json!({ "slug": slug, "title": "t", "spec": spec, "touches": ["*.rs"] });
                attack.post(&attack.member(n), &attack.path("/features"), feature.to_string()).await;
                let ready = attack.path(&format!("/features/{slug}/ready"));
                attack.post(&attack.member(n), &ready, "{}").await;
            }
        })
        .await;
    let keys = Mutex::new(Vec::new());
    let wanted = attack.target().members.len() * attack.most(KEYS, 4);
    attack
        .flood(0.4, 4, wanted, |n| {
            let keys = &keys;
            async move {
                let minted = attack.post(&attack.member(n), "/auth/keys", "{}").await;
                let minted = minted.and_then(|minted| minted.text("apiKey"));
                keys.lock().unwrap_or_else(PoisonError::into_inner).extend(minted);
            }
        })
        .await;
    let keys: Vec<String> = keys.into_inner().unwrap_or_else(PoisonError::into_inner);
    let turn = AtomicUsize::default();
    let connections = (0..attack.most(CONNECTIONS, 4)).map(|number| {
        let (keys, turn) = (&keys, &turn);
        attack.again_and_again(PAUSE, move || once(attack, keys, turn, number))
    });
    join_all(connections).await;
}

/// Sends as many requests on one HTTP/2 connection as the node allows, and resets them.
async fn once(attack: &Attack, keys: &[String], turn: &AtomicUsize, number: usize) -> Option<()> {
    let target = attack.target();
    let stream = TcpStream::connect(raw::addr(&target.urls[number % target.urls.len()])).await.ok()?;
    let (mut requests, connection) = h2::client::handshake(stream).await.ok()?;
    let speaking = tokio::spawn(connection);
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        requests = requests.ready().await.ok()?;
        let (method, path, key, body) = one(attack, keys, turn.fetch_add(1, Ordering::Relaxed));
        let request = Request::builder()
            .method(method)
            .uri(format!("http://localhost{path}"))
            .header("authorization", format!("Bearer {key}"))
            .header("idempotency-key", uuid::Uuid::now_v7().to_string())
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(())
            .ok()?;
        let (answer, mut sent) = requests.send_request(request, body.is_none()).ok()?;
        attack.sent();
        if let Some(body) = body {
            sent.send_data(Bytes::from(body.to_string()), true).ok()?;
        }
        open.push((answer, sent));
    }
    sleep(RESET_AFTER).await;
    for (answer, mut sent) in open {
        sent.send_reset(h2::Reason::CANCEL);
        drop(answer);
        attack.answered("reset");
    }
    // The resets are sent before the connection ends.
    sleep(RESET_AFTER).await;
    speaking.abort();
    Some(())
}

/// The request of a turn: its method, its path, its key, and its body.
fn one<'a>(
    attack: &'a Attack,
    keys: &'a [String],
    turn: usize,
) -> (&'static str, String, &'a str, Option<Value>) {
    let members = &attack.target().members;
    let member = members[turn / 4 % members.len()].as_str();
    match turn % 4 {
        0 => {
            let key = keys.get(turn / 4 % keys.len().max(1)).map_or(member, String::as_str);
            ("POST", format!("/api{}", attack.path("/sessions")), key, Some(json!({})))
        }
        1 => ("GET", format!("/api{}", attack.path("/features?limit=100")), member, None),
        2 => ("POST", format!("/api{}", attack.path("/features/pick-next")), member, Some(json!({}))),
        _ => {
            let params = json!({ "name": "available", "arguments": {} });
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            ("POST", "/mcp".to_owned(), member, Some(message))
        }
    }
}
