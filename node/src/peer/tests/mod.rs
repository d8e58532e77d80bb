//! The transport between nodes of one process: over pipes that can be cut, and over real loopback
//! sockets.
//!
//! - [`cast`]: the nodes that the stories are about.
//! - [`greeting`], [`calling`], [`appending`], [`garbage`]: one subject each, with a Raft that is played.
//! - [`golden`]: the bytes of the messages.
//! - [`cluster`]: the real Raft and the real store, three nodes of them.

#![allow(clippy::unwrap_used)]

mod appending;
mod calling;
mod cast;
mod cluster;
mod garbage;
mod golden;
mod greeting;
