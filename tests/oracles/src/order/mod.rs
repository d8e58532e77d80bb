//! Oracles over what clients and observers saw: the order of operations, the streams of events and the lengths of
//! leases. Each is given everything that it judges, and reads nothing itself.
//!
//! - `witness`: linearizability where the log is known, which is the witness of the order.
//! - `search`: whether some order explains a short history, without a log (Wing and Gong, with the memoisation of
//!   Lowe). `holders`: that search for who holds one feature or one path.
//! - `streams`: feeds of events. `leases`: the lengths of leases.

mod holders;
mod leases;
mod search;
mod streams;
mod witness;

pub use holders::{HoldersReport, check_holders};
pub use leases::{LeaseTolerance, check_leases};
pub use search::{Interval, Object, Searched, search};
pub use streams::{check_node_streams, check_stream};
pub use witness::{LoggedEntry, check_against_log};
