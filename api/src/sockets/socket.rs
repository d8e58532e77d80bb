//! The life of a WebSocket: receives messages, sends events, and checks every second that the client may still do both.

use super::{
    conversation::{Conversation, Step},
    message::{self, MAX_MESSAGE},
    outbox::{BUFFER, End, Outbox, Received},
};
use crate::{api::Api, auth::Caller, cluster::Unavailable, concurrency::Permit, failure::ApiError};
use axum::{
    extract::ws::{WebSocket, WebSocketUpgrade},
    response::Response,
};
use nexus_api_types::socket::{CloseCode, ErrorCode, Notice};
use nexus_domain::EngineerId;
use std::{pin::pin, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::Instrument;

/// Largest frame that is read, in bytes. Larger than a message may be, so that a client whose message is a little too
/// long gets an answer.
const MAX_FRAME: usize = 16 * MAX_MESSAGE;
/// Wrong messages in a row before a client is taken for another protocol.
const MAX_INVALID: usize = 20;
/// Time between two checks of the key and the membership while nothing is sent: a check takes a microsecond.
const AUTHORISE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two pings to a client.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A client that sent nothing for this long, not even a pong, is gone.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(75);

/// The sockets of a drained node are closed within this time and not at once: their clients all go to the other nodes,
/// and each of them first reads what it missed.
const DRAIN_SPREAD: Duration = Duration::from_secs(2);

/// Takes the permits of one socket.
///
/// # Errors
/// 503 when the node or the engineer has as many sockets as may be, or the node is stopping.
pub(crate) fn take_permits(api: &Api, engineer: EngineerId) -> Result<SocketPermits, ApiError> {
    let refused = |message: &str| ApiError::from(Unavailable::NotApplied(message.to_owned()));
    if api.drain.signal().has_begun() {
        return Err(refused("this node is stopping; connect to another one"));
    }
    let full = |_| refused("this node has as many WebSockets as it may; connect to another one");
    let of_engineer = api.concurrency.socket(engineer).map_err(refused)?;
    let of_node = api.sockets.clone().try_acquire_owned().map_err(full)?;
    Ok(SocketPermits { _of_engineer: of_engineer, _of_node: of_node })
}

/// The permits of a socket, held until they are dropped.
pub(crate) struct SocketPermits {
    _of_engineer: Permit<EngineerId>,
    _of_node: OwnedSemaphorePermit,
}

/// Answers the upgrade of a caller that is authenticated and has its permits.
pub(crate) fn upgrade(
    api: Api,
    permits: SocketPermits,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME);
    upgrade.on_upgrade(move |socket| async move {
        let id = api.mint.id();
        run(api, caller, id, socket).instrument(tracing::info_span!("socket", %id)).await;
        drop(permits);
    })
}

async fn run(api: Api, caller: Caller, id: uuid::Uuid, socket: WebSocket) {
    let _open = api.metrics.socket_opened();
    let mut outbox = Outbox::new(&api, socket);
    let mut conversation = Conversation::new(api.clone(), caller);
    let end = match converse(&api, id, &mut outbox, &mut conversation).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    // The subscription ends before the close frame is sent.
    conversation.unsubscribe();
    if let End::Close(code, reason) = end {
        tracing::debug!(code = code.number(), reason, "a socket is closed");
        api.metrics.socket_closed(code);
    }
    outbox.close(end).await;
}

/// Waits until the node is drained after this, and then for a part of [`DRAIN_SPREAD`] that differs from one socket to
/// the next. A client that connects to a drained node wants it in spite of that, and is served.
async fn drained(mut draining: watch::Receiver<bool>, id: uuid::Uuid) {
    loop {
        if draining.changed().await.is_err() {
            return std::future::pending().await;
        }
        if *draining.borrow_and_update() {
            break;
        }
    }
    let part = u32::from(id.as_bytes()[15]);
    tokio::time::sleep(DRAIN_SPREAD * part / 256).await;
}

/// Serves the socket until it ends.
async fn converse(
    api: &Api,
    id: uuid::Uuid,
    outbox: &mut Outbox,
    conversation: &mut Conversation,
) -> Result<std::convert::Infallible, End> {
    let mut stopping = api.drain.signal();
    let mut drained = pin!(drained(api.cluster.draining(), id));
    let mut authorise = interval(AUTHORISE_INTERVAL);
    authorise.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pinged = Instant::now();
    let mut invalid = 0;
    outbox.send(&Notice::Connected { connection_id: id }).await?;
    loop {
        tokio::select! {
            () = stopping.begun() => {
                return Err(End::Close(CloseCode::GoingAway, "this node is stopping: resume on another one"));
            }
            () = &mut drained => {
                return Err(End::Close(CloseCode::GoingAway, "this node will be restarted: resume on another one"));
            }
            received = outbox.receive() => match received? {
                Received::Alive => {}
                Received::Other => {
                    return Err(End::Close(CloseCode::BadProtocol, "messages are JSON texts"));
                }
                Received::Text(text) if text.len() > MAX_MESSAGE => {
                    return Err(End::Close(CloseCode::BadProtocol, "the message is too long"));
                }
                Received::Text(text) => match message::parse(&text) {
                    Ok(request) => {
                        invalid = 0;
                        for notice in conversation.answer(request).await? {
                            outbox.send(&notice).await?;
                        }
                    }
                    Err(message) => {
                        invalid += 1;
                        if invalid > MAX_INVALID {
                            return Err(End::Close(CloseCode::BadProtocol, "too many wrong messages"));
                        }
                        outbox.send(&Notice::Error { code: ErrorCode::InvalidMessage, message }).await?;
                    }
                },
            },
            step = conversation.next() => match step? {
                Step::Events(events, through) => {
                    // Checked again with each delivery: the rights of the join may be gone.
                    conversation.authorise()?;
                    let count = events.len();
                    outbox.send_all(events).await?;
                    conversation.delivered(through);
                    api.metrics.events_sent(count);
                }
                Step::Compacted(notice) => {
                    conversation.authorise()?;
                    conversation.unsubscribe();
                    outbox.send(&notice).await?;
                }
            },
            _ = authorise.tick() => {
                conversation.authorise()?;
                if outbox.silence() > SILENCE_TIMEOUT {
                    return Err(End::Gone);
                }
                if pinged.elapsed() > PING_INTERVAL {
                    pinged = Instant::now();
                    outbox.ping().await?;
                }
            }
        }
    }
}
