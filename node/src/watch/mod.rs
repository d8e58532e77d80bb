//! The checks that a node makes on itself and on others.
//!
//! - `disk`: free space, and whether flushes are slow.
//! - `reports`: reports that nodes send each other, and the alarm when their states differ. `cluster_clock`: the times
//!   of proposals, from the clocks of all nodes.
//! - [`build`]: the program that runs.
//! - `scrubs`: what reading everything again has found. `timings`: how long requests take, and elections, for metrics.

pub mod build;
pub(crate) mod cluster_clock;
pub(crate) mod disk;
pub(crate) mod reports;
pub(crate) mod scrubs;
pub(crate) mod timings;
