//! The life of a node.
//!
//! - `start`: opens its store, finds out who it is, starts Raft, and serves. `sources`: its time and its randomness.
//!   `listeners`: its ports. `parts`: what it consists of.
//! - `running`: waits for a failure; at the end hands leadership over and drains.

mod listeners;
mod parts;
mod running;
mod sources;
mod start;

pub use running::RunningNode;
pub use sources::Sources;
pub use start::{Opened, Starting};
