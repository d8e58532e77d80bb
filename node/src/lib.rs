//! nexusd: one member of a Nexus cluster. This is a library for its binary and for tests of whole clusters.
//!
//! The modules, in the order in which a node comes to life:
//! - [`settings`]: the settings that an operator gives.
//! - [`run`]: starts, runs and stops a node. [`membership`]: the node's identity, secret and cluster.
//! - `node`: the state that the other modules share. [`raft`]: how openraft is configured, and cluster time.
//! - [`peer`]: the transport between nodes.
//! - `leader`: everything that passes through the leader: writes, linearizable reads, leases, and its duties.
//! - [`serve`]: the listener for clients, the API's view of this node, and answers to peers.
//! - `watch`: disks, slow flushes, and states that differ.

mod leader;
pub mod membership;
mod node;
pub mod peer;
pub mod raft;
pub mod run;
pub mod serve;
pub mod settings;
mod watch;

pub use membership::token::BOOTSTRAP_TOKEN_FILE;
