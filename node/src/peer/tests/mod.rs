//! Tests the transport between nodes in one process, over pipes that can be cut, and over real loopback
//! sockets.
//!
//! - [`cast`]: the nodes of the tests.
//! - [`greeting`], [`tls`], [`calling`], [`appending`], [`garbage`]: one subject each, with a fake Raft.
//! - [`golden`]: the bytes of the messages.
//! - [`cluster`]: three nodes with the real Raft and the real store.

#![allow(clippy::unwrap_used)]

mod appending;
mod calling;
mod cast;
mod cluster;
mod garbage;
mod golden;
mod greeting;
mod tls;
