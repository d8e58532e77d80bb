//! The peer transport, over which nodes talk to each other. Each pair of nodes has three kinds of connections, so that
//! none waits for another: appends, control, and snapshots.
//!
//! The modules, from the ground up:
//!
//! - [`limits`]: every limit, with its reason.
//! - [`wire`]: dialing and listening as traits; [`tcp`] and [`memory`] implement them, and [`tls`] over either.
//! - [`frame`]: frames of length, checksum and payload.
//! - [`secret`]: the secret that all members share.
//! - [`identity`], [`hello`], [`proof`], [`greet`]: the handshake, in which both ends say who they are and prove
//!   membership.
//! - [`control`], [`service`]: the requests of Raft, and those beyond it. [`details`]: the details that a node
//!   adds to its report.
//! - [`target`], [`link`], [`client`]: the calling side.
//! - [`append`], [`snapshot`]: the two streams of Raft, both ends of each.
//! - [`raft`], [`serve`]: the serving side.
//! - [`network`]: implements the network traits of openraft.
//! - `fuzzing`: the fuzz targets of frames and greetings.
//! - [`error`]: failed requests. "Not sent" and "unknown" are always distinguished.

mod append;
mod client;
mod control;
pub mod details;
mod error;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod greet;
mod hello;
mod identity;
pub mod limits;
mod link;
pub mod memory;
mod network;
mod proof;
mod raft;
pub mod secret;
mod serve;
pub mod service;
mod snapshot;
mod target;
pub mod tcp;
pub mod tls;
pub mod wire;

pub use client::PeerClient;
pub use error::{Cause, PeerError};
pub use frame::FrameError;
pub use hello::{ExpectedPeer, Refusal, Welcome};
pub use identity::{Lineage, LocalIdentity, SharedIdentity};
pub use network::{PeerNetwork, PeerNetworkFactory};
pub use raft::{LocalRaft, RaftCell, RaftPort, RaftStopped};
pub use serve::PeerServer;
pub use service::PeerService;
pub use target::PeerTarget;

#[cfg(test)]
mod tests;
