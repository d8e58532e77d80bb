//! nexusd: one member of a Nexus cluster. This is a library for its binary and for tests of whole clusters.
//!
//! The modules, in the order in which a node comes to life:
//! - [`settings`]: the settings that an operator gives. [`restore`]: brings back a cluster that is lost, by a data
//!   folder for the next start.
//! - [`run`]: opens the store, finds out who the node is, starts Raft, serves, and stops.
//! - [`raft`]: how openraft is configured, and the leader's clock. [`tls`]: certificates. [`peer`]: the transport
//!   between nodes.
//! - `node`: this node as a member, a small value below all that follows.
//! - `watch`: the disk, reports of the other nodes, and the clock of the cluster.
//! - `proposer`: proposes commands to Raft on this node. [`membership`]: the node's identity, and changes of the
//!   members.
//! - `leader`: everything that passes through the leader: writes, linearizable reads, and leases.
//! - [`backups`]: backups on a schedule, in a folder or an object store.
//! - [`integrity`]: a node whose state is wrong stops by itself, and comes back as a new one.
//! - `duties`: what a leader does without being asked.
//! - [`serve`]: the listener for clients, the API's view of this node, and answers to peers. [`traces`]: sends the
//!   spans of requests to a collector.
//! - `fuzzing`: the fuzz targets of what peers and operators give.

pub mod backups;
mod blocking;
mod duties;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http_client;
pub mod integrity;
mod leader;
pub mod membership;
mod node;
pub mod peer;
mod proposer;
pub mod raft;
pub mod restore;
pub mod run;
pub mod serve;
pub mod settings;
pub mod tls;
pub mod traces;
pub mod watch;

pub use membership::token::BOOTSTRAP_TOKEN_FILE;
