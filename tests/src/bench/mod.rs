//! How fast a cluster is, beside three nodes of etcd on the same machine, under the same clients.
//!
//! - [`wire`]: a client of HTTP/1.1 that costs little, so that it is not the limit.
//! - [`load`]: many such clients at once, each with one request on its way; what they saw.
//! - [`nexus`] and [`etcd`]: the two systems, started and given something to do.
//! - [`table`]: the figures, side by side.
//!
//! Nothing here judges: a figure says something about one machine at one moment.

pub mod etcd;
pub mod load;
pub mod nexus;
pub mod table;
pub mod wire;
