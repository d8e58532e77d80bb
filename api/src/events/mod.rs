//! Sends the events of a project to its subscribers: each event once and in order, from a revision on.
//!
//! A subscription is a cursor into the stored history. Recent events are read and rendered once per node and shared by
//! all subscribers ([`hub`]); a client that lags further reads the history itself ([`history`]). In both cases an event
//! is committed and applied on this node before it is sent.
//!
//! - [`message`]: the messages of clients. [`socket`]: the life of a WebSocket.
//! - [`conversation`]: carries out the messages. [`outbox`]: sends events, never faster than the client takes them.

mod conversation;
pub(crate) mod history;
mod hub;
mod message;
mod outbox;
mod socket;

pub(crate) use hub::Hub;
pub use socket::MAX_SOCKETS;
pub(crate) use socket::{take_permits, upgrade};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
