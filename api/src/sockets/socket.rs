//! The life of a WebSocket: messages in, events out, and a look at whether both still may.

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
use std::time::Duration;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::Instrument;

/// Bytes of a frame that are read at all. Longer than a message may be, so that a client whose message
/// is a little too long can be told so.
const MAX_FRAME: usize = 16 * MAX_MESSAGE;
/// Wrong messages in a row before a client is taken for another protocol.
const MAX_INVALID: usize = 20;
/// Between two looks at whether the key and the membership still are what they were, while nothing
/// happens: a look takes a microsecond.
const LOOK: Duration = Duration::from_secs(1);
/// Between two pings to a client that says nothing.
const PING: Duration = Duration::from_secs(30);
/// A client that did not answer a ping in this time is gone.
const DEAD: Duration = Duration::from_secs(75);

/// A place for one socket, until it is dropped.
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

/// The place of a socket, until it is dropped.
pub(crate) struct SocketPermits {
    _of_engineer: Permit<EngineerId>,
    _of_node: OwnedSemaphorePermit,
}

/// Answers an upgrade of somebody who is known and has a place.
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
    let mut talk = Conversation::new(api.clone(), caller);
    let end = match converse(&api, id, &mut outbox, &mut talk).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    // What it followed is let go before its client has heard of it.
    talk.unsubscribe();
    if let End::Close(code, reason) = end {
        tracing::debug!(code = code.number(), reason, "a socket is closed");
        api.metrics.socket_closed(code);
    }
    outbox.close(end).await;
}

/// Until it ends.
async fn converse(
    api: &Api,
    id: uuid::Uuid,
    outbox: &mut Outbox,
    talk: &mut Conversation,
) -> Result<std::convert::Infallible, End> {
    let mut draining = api.drain.signal();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pinged = Instant::now();
    let mut invalid = 0;
    outbox.tell(&Notice::Connected { connection_id: id }).await?;
    loop {
        tokio::select! {
            () = draining.begun() => {
                return Err(End::Close(CloseCode::GoingAway, "this node is stopping: resume on another one"));
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
                        for notice in talk.answer(request).await? {
                            outbox.tell(&notice).await?;
                        }
                    }
                    Err(message) => {
                        invalid += 1;
                        if invalid > MAX_INVALID {
                            return Err(End::Close(CloseCode::BadProtocol, "too many wrong messages"));
                        }
                        outbox.tell(&Notice::Error { code: ErrorCode::InvalidMessage, message }).await?;
                    }
                },
            },
            step = talk.next() => match step? {
                Step::Events(events, through) => {
                    // Each event is authorised when it is sent: what was right at the join may be over.
                    talk.authorise()?;
                    let count = events.len();
                    outbox.send_all(events).await?;
                    talk.delivered(through);
                    api.metrics.events_sent(count);
                }
                Step::Compacted(notice) => {
                    talk.authorise()?;
                    talk.unsubscribe();
                    outbox.tell(&notice).await?;
                }
            },
            _ = look.tick() => {
                talk.authorise()?;
                if outbox.silence() > DEAD {
                    return Err(End::Gone);
                }
                if pinged.elapsed() > PING {
                    pinged = Instant::now();
                    outbox.ping().await?;
                }
            }
        }
    }
}
