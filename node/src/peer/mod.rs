//! The peer transport: how nodes talk to each other. Three kinds of connections per pair of nodes, so
//! that none waits for another: the append stream, control, and snapshots.
//!
//! From the ground up:
//!
//! - [`limits`]: every limit, with its reason.
//! - [`wire`]: dialing and listening as traits; [`tcp`] and [`memory`] implement them.
//! - [`frame`]: length, checksum, payload.
//! - [`identity`], [`hello`], [`proof`], [`greet`]: who is who, and a member, before anything else is said.
//! - [`control`], [`service`]: what is asked, by Raft and beyond it.
//! - [`target`], [`link`], [`client`]: asking.
//! - [`append`], [`snapshot`]: the two streams of Raft, both ends of each.
//! - [`raft`], [`serve`]: being asked.
//! - [`network`]: all of it as openraft wants it.
//! - [`error`]: what may become of a request. "Not sent" and "unknown" are never confused.

mod append;
mod client;
mod control;
mod error;
mod frame;
mod greet;
mod hello;
mod identity;
pub mod limits;
mod link;
pub mod memory;
mod network;
mod proof;
mod raft;
mod serve;
pub mod service;
mod snapshot;
mod target;
pub mod tcp;
pub mod wire;

pub use client::PeerClient;
pub use error::{Cause, PeerError};
pub use frame::FrameError;
pub use hello::{Expected, Refusal, Welcome};
pub use identity::{LocalIdentity, SharedIdentity};
pub use network::{PeerNetwork, PeerNetworkFactory};
pub use raft::{LocalRaft, RaftPort, RaftSlot, RaftStopped};
pub use serve::PeerServer;
pub use service::PeerService;
pub use target::PeerTarget;

#[cfg(test)]
mod tests;
