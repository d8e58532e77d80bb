//! Who gets a socket at all.

use super::stage::{ANA, Stage, engineer};
use crate::{auth::token_digest, events::MAX_SOCKETS, router};
use nexus_domain::Command;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Shakes hands with a ticket; gives the connection, and the head of the answer.
async fn knock(stage: &Arc<Stage>, addr: std::net::SocketAddr, ticket: &str) -> (TcpStream, String) {
    stage.apply(engineer(ANA), Command::IssueTicket { digest: token_digest(ticket) });
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "GET /ws?ticket={ticket} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

#[tokio::test]
async fn a_node_has_so_many_sockets_and_sends_further_clients_to_another_one() {
    let stage = Stage::set();
    let api = stage.api();
    // All but one are taken.
    let taken = api.sockets.clone().acquire_many_owned(MAX_SOCKETS - 1).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let served = tokio::spawn(axum::serve(listener, router(api.clone())).into_future());

    let (last, head) = knock(&stage, addr, "one").await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    let (mut turned_away, head) = knock(&stage, addr, "two").await;
    assert!(head.starts_with("http/1.1 503") && head.contains("\r\nretry-after: 1\r\n"), "{head}");
    let mut body = vec![0; 400];
    let read = turned_away.read(&mut body).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body[..read]).unwrap();
    assert_eq!(body["error"]["code"], "SERVICE_UNAVAILABLE");
    assert_eq!(body["error"]["details"]["outcome"], "not_applied");

    // A place that somebody leaves is the next one's.
    drop(last);
    drop(api.sockets.acquire().await.unwrap());
    let (_next, head) = knock(&stage, addr, "three").await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    drop(taken);
    served.abort();
}
