//! One WebSocket as frames. Never sends faster than the client reads, and closes the socket of a client that is too
//! slow. Knows nothing about projects and sessions.

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
/// A client has this long to answer a close frame, so that the reason reaches it before the connection ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that is too slow has longer: what it did not read yet comes before the close frame.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// A delivery must be sent within this many times the timeout of one event: until then it takes memory.
const DELIVERY_TIMEOUTS: u32 = 6;

const TOO_SLOW: End = End::Close(CloseCode::TooSlow, "too slow: resume from the last revision you saw");

/// Events that are sent together. The events of the hub are shared by all subscribers. Events that were read for one
/// socket take memory until they are sent, and so does the copy of an event that waits to be written.
pub(crate) struct Delivery {
    events: Vec<RenderedEvent>,
    reserved: Reserved,
}

/// The reservation of a delivery in the memory for responses.
#[derive(Default)]
struct Reserved {
    /// Cancelled when the memory is needed for other readers.
    revoked: CancellationToken,
    _reservation: Option<Reservation>,
}

impl Delivery {
    /// Events that are in memory anyway: only the copy to write is counted.
    pub(crate) fn shared(api: &Api, engineer: EngineerId, events: Vec<RenderedEvent>) -> Self {
        Self { reserved: Reserved::new(api, engineer, longest(&events)), events }
    }

    /// Events that are in memory for this socket alone.
    pub(crate) fn own(api: &Api, engineer: EngineerId, events: Vec<RenderedEvent>) -> Self {
        let all = events.iter().map(|event| event.text.len()).sum::<usize>();
        Self { reserved: Reserved::new(api, engineer, all + longest(&events)), events }
    }
}

/// Bytes of the longest event: the socket copies it to its buffer, however large the buffer is.
fn longest(events: &[RenderedEvent]) -> usize {
    events.iter().map(|event| event.text.len()).max().unwrap_or_default()
}

impl Reserved {
    fn new(api: &Api, engineer: EngineerId, bytes: usize) -> Self {
        // The buffers of a socket are bounded by the number of sockets.
        if bytes <= BUFFER {
            return Self::default();
        }
        let revoked = CancellationToken::new();
        let reservation = api.response_memory.reserve(Reader::Engineer(engineer), bytes, &revoked);
        Self { revoked, _reservation: Some(reservation) }
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
    /// The connection is gone, or its client closed it.
    Gone,
    /// This node closes it.
    Close(CloseCode, &'static str),
}

/// A frame from the client.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message, in UTF-8.
    Text(Utf8Bytes),
    /// A ping or a pong: the connection works.
    Alive,
    /// A frame that this protocol does not use.
    Other,
}

/// One WebSocket, with the events that it still has to send.
pub(crate) struct Outbox {
    socket: WebSocket,
    send_timeout: Duration,
    last_received: Instant,
    /// The rest of a revision that was partly sent: a client that resumes after a revision must have all of it.
    unsent: Vec<Utf8Bytes>,
    /// The memory of the delivery that was interrupted: it is in use until the socket is closed.
    unsent_memory: Reserved,
}

impl Outbox {
    pub(crate) fn new(api: &Api, socket: WebSocket) -> Self {
        Self {
            socket,
            send_timeout: api.config.slow_consumer,
            last_received: Instant::now(),
            unsent: Vec::new(),
            unsent_memory: Reserved::default(),
        }
    }

    /// Waits for the next frame from the client. Safe to drop while it waits.
    pub(crate) async fn receive(&mut self) -> Result<Received, End> {
        let message = match self.socket.next().await {
            Some(Ok(message)) => message,
            // Too long, not UTF-8, not WebSocket, or interrupted: a client that is still there gets the close frame.
            Some(Err(error)) => {
                tracing::debug!(%error, "a socket failed");
                return Err(End::Close(CloseCode::BadProtocol, "what was sent is not the protocol"));
            }
            None => return Err(End::Gone),
        };
        self.last_received = Instant::now();
        match message {
            Message::Text(text) => Ok(Received::Text(text)),
            Message::Ping(_) | Message::Pong(_) => Ok(Received::Alive),
            Message::Binary(_) => Ok(Received::Other),
            Message::Close(_) => Err(End::Gone),
        }
    }

    /// Time since the last frame from the client.
    pub(crate) fn silence(&self) -> Duration {
        self.last_received.elapsed()
    }

    /// Sends a notice, and waits until it is written.
    pub(crate) async fn send(&mut self, notice: &Notice) -> Result<(), End> {
        let text = serde_json::to_string(notice).expect("a notice has only names and numbers");
        within(self.send_timeout, self.socket.send(Message::Text(text.into()))).await
    }

    /// Sends events one after the other. Whatever is unsent when this fails is sent before the close frame.
    pub(crate) async fn send_all(&mut self, delivery: Delivery) -> Result<(), End> {
        let Delivery { events, reserved } = delivery;
        let deadline = Instant::now() + self.send_timeout * DELIVERY_TIMEOUTS;
        let mut partly_sent = None;
        for (at, event) in events.iter().enumerate() {
            let sent = within(self.send_timeout, self.socket.feed(Message::Text(event.text.clone())));
            if let Err(end) = in_time(deadline, &reserved.revoked, sent).await {
                let rest = events[at..].iter().take_while(|event| partly_sent == Some(event.revision));
                self.unsent = rest.map(|event| event.text.clone()).collect();
                self.unsent_memory = reserved;
                return Err(end);
            }
            partly_sent = Some(event.revision);
        }
        let flushed = within(self.send_timeout, self.socket.flush());
        let flushed = in_time(deadline, &reserved.revoked, flushed).await;
        if flushed.is_err() {
            self.unsent_memory = reserved;
        }
        flushed
    }

    /// Sends a ping, so that a client that is gone is noticed.
    pub(crate) async fn ping(&mut self) -> Result<(), End> {
        within(self.send_timeout, self.socket.send(Message::Ping(Bytes::new()))).await
    }

    /// Sends a close frame with the reason, and waits a little until the client has answered it.
    pub(crate) async fn close(mut self, end: End) {
        let End::Close(code, reason) = end else {
            // Answers the client's own close frame.
            let _ = timeout(CLOSE_TIMEOUT, self.socket.close()).await;
            return;
        };
        let wait = if code == CloseCode::TooSlow { SLOW_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT };
        let revoked = self.unsent_memory.revoked.clone();
        let frame = CloseFrame { code: code.number(), reason: reason.into() };
        let close = async {
            for text in std::mem::take(&mut self.unsent) {
                self.socket.feed(Message::Text(text)).await?;
            }
            self.socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<(), axum::Error>(())
        };
        tokio::select! {
            _ = timeout(wait, close) => {}
            // Other readers need its memory.
            () = async { revoked.cancelled().await; sleep(CLOSE_TIMEOUT).await } => {}
        }
        if code == CloseCode::BadProtocol {
            // What the client still sends is not read: the connection is reset, and what the client has not read by
            // then is lost.
            sleep(CLOSE_TIMEOUT / 4).await;
        }
    }
}

async fn within(limit: Duration, sent: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(limit, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(TOO_SLOW),
    }
}

/// Sends until a deadline, and as long as no other reader needs the memory.
async fn in_time(
    deadline: Instant,
    revoked: &CancellationToken,
    sent: impl Future<Output = Result<(), End>>,
) -> Result<(), End> {
    tokio::select! {
        sent = timeout_at(deadline, sent) => sent.unwrap_or(Err(TOO_SLOW)),
        () = revoked.cancelled() => Err(TOO_SLOW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn a_client_that_is_slow_or_holds_memory_that_others_need_is_closed() {
        let (soon, revoked) = (Instant::now(), CancellationToken::new());
        assert_eq!(
            in_time(soon, &revoked, pending()).await,
            Err(TOO_SLOW),
            "each event is in time, but not the delivery"
        );
        let late = soon + Duration::from_secs(3_600);
        assert_eq!(in_time(late, &revoked, std::future::ready(Ok(()))).await, Ok(()));
        revoked.cancel();
        assert_eq!(in_time(late, &revoked, pending()).await, Err(TOO_SLOW), "others need its memory");
    }
}
