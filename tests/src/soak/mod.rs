//! A soak of real processes: agents work over HTTP on a cluster whose processes, networks, disks and clocks fail, and
//! everything that they saw is written down and judged by the same oracles that judge simulations.
//!
//! - [`episode`]: one cluster from its start to its verdict. [`report`]: the figures of all episodes.
//! - [`stage`]: the cluster, with its networks, a small disk and the [`shim`] in front of the C library.
//! - [`nemesis`]: what happens to it.
//! - [`agent`], [`prober`]: who uses it. [`ask`]: a request, and what became of it. [`follower`]: reads the feed.
//! - [`recorder`]: what they all saw.
//! - [`log`]: the log of a stopped node. [`verdict`]: asks all oracles.

pub mod agent;
pub mod ask;
pub mod episode;
pub mod follower;
pub mod log;
pub mod nemesis;
pub mod prober;
pub mod recorder;
pub mod report;
pub mod shim;
pub mod stage;
pub mod verdict;
