//! The oracles: they say what must be true of every run, whatever failed in it.

pub mod model;
pub mod order;
mod violation;

pub use violation::Violation;
