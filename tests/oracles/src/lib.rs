//! Histories of clusters, simulated or of real processes, and the oracles that say what must be true of each of them,
//! whatever failed in it.
//!
//! - [`history`]: what clients and observers saw.
//! - [`model`]: the rules, written apart from the domain. It says what the answer to each entry of a log has to be.
//! - [`order`]: real-time order, holders, feeds of events and the lengths of leases.
//! - [`check`]: asks every oracle that a written history is enough for. The program nexus-check does it with files.

pub mod check;
pub mod history;
pub mod model;
pub mod order;
mod violation;

pub use violation::Violation;
