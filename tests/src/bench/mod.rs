//! Compares the speed of a cluster with three nodes of etcd on the same machine, under the same clients.
//!
//! - [`wire`]: an HTTP/1.1 client that costs little, so that it is not the bottleneck.
//! - [`load`]: many such clients at once, each with one request at a time, and their measurements.
//! - [`nexus`] and [`etcd`]: the two systems, with the requests for each.
//! - [`table`]: the figures, side by side.
//! - [`regions`]: what distance between the nodes costs. [`backup`]: a backup of a large cluster. Both by themselves.
//!
//! Nothing here judges: a figure says something about one machine at one moment.

pub mod backup;
pub mod etcd;
pub mod load;
pub mod nexus;
pub mod regions;
pub mod table;
pub mod wire;
