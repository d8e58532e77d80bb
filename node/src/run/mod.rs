//! The life of a node.
//!
//! - `start`: opens its store, finds out who it is, starts Raft, and serves. `sources`: its time and its randomness.
//!   `listeners`: its ports. `certificate_name`: whether its certificate is its own. `parts`: what it consists of.
//!   `known_identity`: the identity that other nodes see.
//! - `fenced`: a node that serves no data any more. `started`: starts the one or the other.
//! - `running`: waits for a failure; at the end hands leadership over and drains. `supervision`: keeps its
//!   `service_manager` informed.
//! - `health_check`: asks another process's node whether it is ready.

mod certificate_name;
mod fenced;
mod health_check;
mod known_identity;
mod listeners;
mod parts;
mod running;
mod service_manager;
mod sources;
mod start;
mod started;
mod supervision;

pub use crate::watch::disk::FreeSpace;
pub use certificate_name::check_certificates;
pub use fenced::FencedNode;
pub use health_check::check_health;
pub use running::RunningNode;
pub use service_manager::ServiceManager;
pub use sources::Sources;
pub use start::{Opened, Starting};
pub use started::{Started, start};
