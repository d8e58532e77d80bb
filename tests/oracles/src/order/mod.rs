//! Oracles over what clients and observers saw: the order of operations, the streams of events and the lengths of
//! leases. Each is given everything that it judges, and reads nothing itself.
//!
//! - `witness`: linearizability where the log is known, which is the witness of the order.
//! - `search`: whether some order explains a short history, without a log (Wing and Gong, with the memoisation of
//!   Lowe).
//! - `holders`: that search for who holds one feature or one path, from the `steps` of operations, and for the `lives`
//!   of sessions. `requests`: retries are one request. `possible_ends`: the ends of sessions that nobody asked for.
//!   `locks`: the same steps for other checkers.
//! - `streams`: feeds of events. `leases`: the lengths of leases.

mod holders;
mod leases;
mod lives;
mod locks;
mod possible_ends;
mod requests;
mod search;
mod steps;
mod streams;
mod witness;

pub use crate::history::LoggedEntry;
pub use holders::{HOLDERS, HoldersReport, check_holders};
pub use leases::{LeaseTolerance, check_leases};
pub use locks::write_locks;
pub use possible_ends::possible_ends;
pub use search::{Interval, Object, Searched, search, search_within};
pub use streams::{check_node_streams, check_stream};
pub use witness::check_against_log;
