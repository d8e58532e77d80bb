//! The settings that an operator gives.
//!
//! - [`args`]: the command line. [`config`]: all sources together, checked. [`logging`]: where log lines go.
//! - [`origin`]: how a node becomes a member. [`tls`]: the files of its certificates. `backups`: when backups are taken.
//!   [`traces`]: where traces are sent. [`values`]: lists and addresses.

pub mod args;
mod backups;
pub mod config;
pub mod logging;
pub mod origin;
mod tls;
mod traces;
pub mod values;
