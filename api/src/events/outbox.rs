//! One WebSocket as frames: never sends faster than its client takes, and gives up on one that takes
//! nothing. Knows nothing about events.

use super::hub::Told;
use crate::api::Api;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use nexus_api_types::socket::{CloseCode, Notice};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, timeout};

/// A peer that is told to go gets this long to answer, so that the reason reaches it.
const FAREWELL: Duration = Duration::from_secs(2);
/// One that took nothing gets longer: what it did not take comes before the reason.
const SLOW_FAREWELL: Duration = Duration::from_secs(20);

/// Why a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection is gone, or its client said good-bye.
    Gone,
    /// This node ends it.
    Close(CloseCode, &'static str),
}

/// What came from the client.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message.
    Text(Utf8Bytes),
    /// A sign that the connection works.
    Alive,
    /// Nothing that this protocol knows.
    Other,
}

/// One WebSocket.
pub(crate) struct Outbox {
    socket: WebSocket,
    patience: Duration,
    heard: Instant,
    /// The rest of a revision that was begun: who resumes after a revision must have had all of it.
    owed: Vec<Utf8Bytes>,
}

impl Outbox {
    pub(crate) fn new(api: &Api, socket: WebSocket) -> Self {
        Self { socket, patience: api.config.slow_consumer, heard: Instant::now(), owed: Vec::new() }
    }

    /// The next thing from the client. Safe to drop while it waits.
    pub(crate) async fn receive(&mut self) -> Result<Received, End> {
        let message = match self.socket.next().await {
            Some(Ok(message)) => message,
            // Too long, not UTF-8, not WebSocket, or broken off: if it is still there, it is told.
            Some(Err(error)) => {
                tracing::debug!(%error, "a socket failed");
                return Err(End::Close(CloseCode::BadProtocol, "what was sent is not the protocol"));
            }
            None => return Err(End::Gone),
        };
        self.heard = Instant::now();
        match message {
            Message::Text(text) => Ok(Received::Text(text)),
            Message::Ping(_) | Message::Pong(_) => Ok(Received::Alive),
            Message::Binary(_) => Ok(Received::Other),
            Message::Close(_) => Err(End::Gone),
        }
    }

    /// How long nothing was heard from the client.
    pub(crate) fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Says something.
    pub(crate) async fn tell(&mut self, notice: &Notice) -> Result<(), End> {
        let text = serde_json::to_string(notice).expect("a notice has only names and numbers");
        within(self.patience, self.socket.send(Message::Text(text.into()))).await
    }

    /// Sends events one after the other.
    pub(crate) async fn send_all(&mut self, events: &[Told]) -> Result<(), End> {
        let mut begun = None;
        for (at, event) in events.iter().enumerate() {
            let sent = self.socket.feed(Message::Text(event.text.clone()));
            if let Err(end) = within(self.patience, sent).await {
                let rest = events[at..].iter().take_while(|event| begun == Some(event.revision));
                self.owed = rest.map(|event| event.text.clone()).collect();
                return Err(end);
            }
            begun = Some(event.revision);
        }
        within(self.patience, self.socket.flush()).await
    }

    /// Asks the client's machine for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), End> {
        within(self.patience, self.socket.send(Message::Ping(Bytes::new()))).await
    }

    /// Says why it ends, and waits a little until that was heard.
    pub(crate) async fn close(mut self, end: End) {
        let End::Close(code, reason) = end else {
            // Answers the client's own good-bye.
            let _ = timeout(FAREWELL, self.socket.close()).await;
            return;
        };
        let patience = if code == CloseCode::TooSlow { SLOW_FAREWELL } else { FAREWELL };
        let frame = CloseFrame { code: code.number(), reason: reason.into() };
        let farewell = async {
            for text in std::mem::take(&mut self.owed) {
                self.socket.feed(Message::Text(text)).await?;
            }
            self.socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<(), axum::Error>(())
        };
        let _ = timeout(patience, farewell).await;
        if code == CloseCode::BadProtocol {
            // What it still sends is not read: the connection ends hard, and takes along what its
            // client has not read by then.
            tokio::time::sleep(FAREWELL / 4).await;
        }
    }
}

async fn within(patience: Duration, sent: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(patience, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Close(CloseCode::TooSlow, "too slow: resume from the last revision you saw")),
    }
}
