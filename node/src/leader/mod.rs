//! Everything that passes through the leader.
//!
//! - `client`: the one way of a request to the leader, wherever it is. `propose`, `read_index`, `heartbeats`: writes,
//!   linearizable reads, and leases of sessions go that way.
//! - `slots`: the identities of writes without a key. `keep_alives`: how often a request renews the lease of its session.
//! - `duties`: what the leader does for the cluster without being asked.

pub(crate) mod client;
pub(crate) mod duties;
pub(crate) mod heartbeats;
pub(crate) mod keep_alives;
pub(crate) mod propose;
pub(crate) mod read_index;
pub(crate) mod slots;
