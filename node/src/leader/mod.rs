//! Everything that passes through the leader.
//!
//! - `service`: carries requests out on the node that leads. `client`: the one way of a request to the leader, wherever
//!   it is.
//! - `writes`, `read_index`, `heartbeats`: writes, linearizable reads, and leases of sessions go that way.
//! - `slots`: the identities of writes without a key. `keep_alives`: how often a request renews the lease of its
//!   session.

pub(crate) mod client;
pub(crate) mod heartbeats;
pub(crate) mod keep_alives;
pub(crate) mod read_index;
pub(crate) mod service;
pub(crate) mod slots;
pub(crate) mod writes;
