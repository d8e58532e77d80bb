//! WebSockets: sends the events of a project to its subscribers, each event once and in order, from a revision on.
//!
//! - [`message`]: the messages of clients. [`socket`]: the life of a WebSocket.
//! - [`conversation`]: carries out the messages. [`outbox`]: sends events, never faster than the client takes them.

mod conversation;
pub(crate) mod message;
mod outbox;
mod socket;

pub(crate) use socket::{take_permits, upgrade};

#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used)]
#[cfg_attr(fuzzing, allow(dead_code, reason = "the fuzz targets need a part of it"))]
pub(crate) mod tests;
