//! One WebSocket as frames: never sends faster than its client takes, and gives up on one that takes
//! nothing. Knows nothing about events.

use crate::{
    api::Api,
    events::RenderedEvent,
    response_memory::{Reader, Reservation},
};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use nexus_api_types::socket::{CloseCode, Notice};
use nexus_domain::EngineerId;
use std::{future::Future, ops::Deref, time::Duration};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Bytes that are read and written at once: thousands of sockets have such buffers.
pub(super) const BUFFER: usize = 16 << 10;
/// A peer that is told to go gets this long to answer, so that the reason reaches it.
const FAREWELL: Duration = Duration::from_secs(2);
/// One that took nothing gets longer: what it did not take comes before the reason.
const SLOW_FAREWELL: Duration = Duration::from_secs(20);

/// What is sent together must be taken within so many times the patience for one event: until then it is in memory.
const PATIENCE_FOR_ALL: u32 = 6;

const TOO_SLOW: End = End::Close(CloseCode::TooSlow, "too slow: resume from the last revision you saw");

/// Events that are sent together. Those of the hub are shared by all who follow; what was read for one socket alone takes
/// room in memory until it is sent, and so does the copy of an event that waits to be written.
pub(crate) struct Delivery {
    events: Vec<RenderedEvent>,
    room: Reserved,
}

/// What a delivery takes of the memory for all of them.
#[derive(Default)]
struct Reserved {
    /// Cancelled when others need the room.
    given_up: CancellationToken,
    _reservation: Option<Reservation>,
}

impl Delivery {
    /// Of what is in memory anyway.
    pub(crate) fn shared(api: &Api, engineer: EngineerId, events: Vec<RenderedEvent>) -> Self {
        Self { room: Reserved::new(api, engineer, longest(&events)), events }
    }

    /// Of what is in memory for this socket.
    pub(crate) fn own(api: &Api, engineer: EngineerId, events: Vec<RenderedEvent>) -> Self {
        let all = events.iter().map(|event| event.text.len()).sum::<usize>();
        Self { room: Reserved::new(api, engineer, all + longest(&events)), events }
    }
}

/// Bytes of the longest event: the socket copies it to its buffer, whatever size that has.
fn longest(events: &[RenderedEvent]) -> usize {
    events.iter().map(|event| event.text.len()).max().unwrap_or_default()
}

impl Reserved {
    fn new(api: &Api, engineer: EngineerId, bytes: usize) -> Self {
        // Each socket has its buffers, which are counted by the number of sockets.
        if bytes <= BUFFER {
            return Self::default();
        }
        let given_up = CancellationToken::new();
        let reservation = api.response_memory.reserve(Reader::Engineer(engineer), bytes, &given_up);
        Self { given_up, _reservation: Some(reservation) }
    }
}

impl Deref for Delivery {
    type Target = [RenderedEvent];

    fn deref(&self) -> &[RenderedEvent] {
        &self.events
    }
}

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
    /// A message, in UTF-8.
    Text(Utf8Bytes),
    /// A sign that the connection works.
    Alive,
    /// Nothing that this protocol knows.
    Other,
}

/// One WebSocket, from the side that sends.
pub(crate) struct Outbox {
    socket: WebSocket,
    patience: Duration,
    heard: Instant,
    /// The rest of a revision that was begun: who resumes after a revision must have had all of it.
    owed: Vec<Utf8Bytes>,
    /// What the delivery that was broken off takes: it is in memory until the socket is closed.
    unsent: Reserved,
}

impl Outbox {
    pub(crate) fn new(api: &Api, socket: WebSocket) -> Self {
        Self {
            socket,
            patience: api.config.slow_consumer,
            heard: Instant::now(),
            owed: Vec::new(),
            unsent: Reserved::default(),
        }
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

    /// Sends a notice, and waits until the client's machine took it.
    pub(crate) async fn tell(&mut self, notice: &Notice) -> Result<(), End> {
        let text = serde_json::to_string(notice).expect("a notice has only names and numbers");
        within(self.patience, self.socket.send(Message::Text(text.into()))).await
    }

    /// Sends events one after the other.
    pub(crate) async fn send_all(&mut self, delivery: Delivery) -> Result<(), End> {
        let Delivery { events, room } = delivery;
        let deadline = Instant::now() + self.patience * PATIENCE_FOR_ALL;
        let mut begun = None;
        for (at, event) in events.iter().enumerate() {
            let sent = within(self.patience, self.socket.feed(Message::Text(event.text.clone())));
            if let Err(end) = in_time(deadline, &room.given_up, sent).await {
                let rest = events[at..].iter().take_while(|event| begun == Some(event.revision));
                self.owed = rest.map(|event| event.text.clone()).collect();
                self.unsent = room;
                return Err(end);
            }
            begun = Some(event.revision);
        }
        let flushed = within(self.patience, self.socket.flush());
        let flushed = in_time(deadline, &room.given_up, flushed).await;
        if flushed.is_err() {
            self.unsent = room;
        }
        flushed
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
        let given_up = self.unsent.given_up.clone();
        let frame = CloseFrame { code: code.number(), reason: reason.into() };
        let farewell = async {
            for text in std::mem::take(&mut self.owed) {
                self.socket.feed(Message::Text(text)).await?;
            }
            self.socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<(), axum::Error>(())
        };
        tokio::select! {
            _ = timeout(patience, farewell) => {}
            // Others need its room.
            () = async { given_up.cancelled().await; sleep(FAREWELL).await } => {}
        }
        if code == CloseCode::BadProtocol {
            // What it still sends is not read: the connection ends hard, and takes along what its
            // client has not read by then.
            sleep(FAREWELL / 4).await;
        }
    }
}

async fn within(patience: Duration, sent: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(patience, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(TOO_SLOW),
    }
}

/// The same until a moment, and while nobody else needs its room.
async fn in_time(
    deadline: Instant,
    given_up: &CancellationToken,
    sent: impl Future<Output = Result<(), End>>,
) -> Result<(), End> {
    tokio::select! {
        sent = timeout_at(deadline, sent) => sent.unwrap_or(Err(TOO_SLOW)),
        () = given_up.cancelled() => Err(TOO_SLOW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn who_is_slow_with_many_events_or_holds_what_others_need_is_sent_away() {
        let (soon, given_up) = (Instant::now(), CancellationToken::new());
        assert_eq!(
            in_time(soon, &given_up, pending()).await,
            Err(TOO_SLOW),
            "each event in time, and not all"
        );
        let late = soon + Duration::from_secs(3_600);
        assert_eq!(in_time(late, &given_up, std::future::ready(Ok(()))).await, Ok(()));
        given_up.cancel();
        assert_eq!(in_time(late, &given_up, pending()).await, Err(TOO_SLOW), "others need its room");
    }
}
