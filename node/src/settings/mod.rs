//! The settings that an operator gives.
//!
//! - [`args`]: the command line. [`config`]: all sources together, checked. [`logging`]: where log lines go.

pub mod args;
pub mod config;
pub mod logging;
