//! Who follows what happens: every fact of a project once and in order, from a revision on.
//!
//! A consumer is a cursor into the durable history. What happened lately is read and rendered once a
//! node and shared by all that follow ([`hub`]); who is further behind reads the history itself
//! ([`history`]). Either way nothing is told before it is committed and applied on this node.
//!
//! - [`message`]: what clients say. [`socket`]: the life of a WebSocket.
//! - [`conversation`]: what the messages do. [`outbox`]: what goes out, never faster than it is taken.

mod conversation;
pub(crate) mod history;
mod hub;
mod message;
mod outbox;
mod socket;

pub(crate) use hub::Hub;
pub use socket::MAX_SOCKETS;
pub(crate) use socket::{take_place, upgrade};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
