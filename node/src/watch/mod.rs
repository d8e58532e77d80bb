//! The checks that a node makes on itself and on others.
//!
//! - `disk`: free space, and whether flushes are slow.
//! - `reports`: reports that nodes send each other, and the alarm when their states differ. `cluster_clock`: the times
//!   of proposals, from the clocks of all nodes.
//! - `announcements`: that other nodes are drained or fenced. `round_trips`: the times to them.
//! - [`build`]: the program that runs. `verdict`: since when the cluster looks as it does.
//! - `backups`: how scheduled backups are doing. `scrubs`: what reading everything again has found. `timings`: how long
//!   requests take, and elections, for metrics.

mod announcements;
pub(crate) mod backups;
pub mod build;
pub(crate) mod cluster_clock;
pub(crate) mod disk;
pub(crate) mod reports;
mod round_trips;
pub(crate) mod scrubs;
pub(crate) mod timings;
pub(crate) mod verdict;
