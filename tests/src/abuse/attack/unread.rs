//! Answers that the client never reads: the longest possible ones, and the shortest in great number; and long polls of
//! one key.

use super::context::Attack;
use crate::{abuse::open_files::most_connections, raw};
use bytes::Bytes;
use futures::future::join_all;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::tungstenite::http::Request;

/// The number of claims in a list, and the bytes of each path: answers of megabytes.
const REQUESTS: usize = 10;
const PATHS_OF_REQUEST: usize = 1_000;
const PATH_BYTES: usize = 900;
/// The number of HTTP/1 and of HTTP/2 connections, and of requests on each of the latter.
const PLAIN: usize = 600;
const SHARED: usize = 48;
const STREAMS: usize = 64;
/// The number of HTTP/2 connections, with a key and without, and of short answers on each that are not read.
const SHORT: usize = 1_200;
/// Long polls of one key: more than a node lets wait.
const POLLS: usize = 3_600;
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn send(attack: &Attack) {
    // One session each: the list of a session's own claims has all of them.
    for number in 0..attack.target().members.len() {
        let member = attack.member(number);
        let Some(session) = attack.session(&member, "hoarder").await else { continue };
        for request in 0..attack.most(REQUESTS, 2) {
            let path = |n: usize| format!("m{number}/{request}-{n}/{}", "x".repeat(PATH_BYTES));
            let paths: Vec<String> = (0..PATHS_OF_REQUEST).map(path).collect();
            attack.post(&session, &attack.path("/claims"), json!({ "paths": paths }).to_string()).await;
        }
    }
    let plain = (0..attack.most(PLAIN, 60)).map(|number| plain(attack, number));
    let long = (0..attack.most(SHARED, 4)).map(|number| shared(attack, number, longest));
    let short = (0..attack.most(SHORT, 20)).map(|number| shared(attack, number, shortest));
    tokio::join!(join_all(plain), join_all(long), join_all(short));
}

/// The path of a long answer.
fn longest(attack: &Attack, number: usize) -> String {
    let rest = ["/claims", "/claims/mine", "/status", "/events?limit=1000"][number % 4];
    attack.path(rest)
}

/// The path of a short answer.
fn shortest(_: &Attack, number: usize) -> String {
    ["/health/live", "/auth/me", "/nothing", "/openapi.json"][number % 4].to_owned()
}

/// Pipelines some requests on one connection and does not read the answers; again when the connection is closed.
async fn plain(attack: &Attack, number: usize) {
    let target = attack.target();
    let key = &target.members[number % target.members.len()];
    let request = raw::head("GET", &longest(attack, number / 4), Some(key), "").repeat(4);
    while Instant::now() < attack.end(1.0) {
        attack.sent();
        let url = &target.urls[number % target.urls.len()];
        let Some(stream) = raw::connect(url, request.as_bytes()).await else {
            attack.answered("not connected");
            sleep(PAUSE).await;
            continue;
        };
        // Until the node closes the connection: no byte is read from the socket.
        while !is_cut_off(&stream) {
            sleep(PAUSE).await;
        }
        attack.answered("cut off");
    }
}

/// Whether the node has closed the connection. Unread answers stay in the socket, so a read does not show its end.
fn is_cut_off(stream: &TcpStream) -> bool {
    // One more byte, which the system refuses once the other side is gone.
    matches!(stream.try_write(b"\r\n"), Err(error) if error.kind() != std::io::ErrorKind::WouldBlock)
}

/// An HTTP/2 connection with an empty window: the node has the answers, and may send none of them.
async fn shared(attack: &Attack, number: usize, asked: fn(&Attack, usize) -> String) {
    attack.again_and_again(PAUSE, || shared_once(attack, number, asked)).await;
}

async fn shared_once(attack: &Attack, number: usize, asked: fn(&Attack, usize) -> String) -> Option<()> {
    let target = attack.target();
    let stream = TcpStream::connect(raw::addr(&target.urls[number % target.urls.len()])).await.ok()?;
    let handshake = h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream);
    let (mut requests, connection) = handshake.await.ok()?;
    let speaking = tokio::spawn(connection);
    let mut open = Vec::new();
    for at in 0..STREAMS {
        requests = requests.ready().await.ok()?;
        let key = &target.members[(number + at) % target.members.len()];
        let request = Request::get(format!("http://localhost/api{}", asked(attack, at)))
            .header("authorization", format!("Bearer {key}"))
            .body(())
            .ok()?;
        open.push(requests.send_request(request, true).ok()?.0);
        attack.sent();
    }
    // The heads arrive, and the bodies are held back.
    for answer in join_all(open).await {
        match answer {
            Ok(answer) => {
                attack.answered(answer.status().as_u16());
                attack.hold(answer);
            }
            Err(_) => attack.answered("cut off"),
        }
    }
    let _ = speaking.await;
    Some(())
}

pub(super) async fn polls(attack: &Attack) {
    let polls = attack.most(POLLS, 120).min(most_connections());
    let member = attack.member(0);
    let page = attack.get(&member, &attack.path("/events?since=0&limit=1000")).await;
    let since = page.and_then(|page| page.next_since()).unwrap_or_default();
    let path = attack.path(&format!("/events?since={since}&waitMs=30000"));
    attack
        .flood_on(1.0, polls, |_| {
            let (member, path) = (&member, &path);
            async move {
                if attack.get(member, path).await.is_none_or(|answer| answer.status != 200) {
                    sleep(PAUSE).await;
                }
            }
        })
        .await;
}
