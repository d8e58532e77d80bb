//! The settings that an operator gives.
//!
//! - [`args`]: the command line. [`config`]: all sources together, checked. `file`: the settings file.
//!   [`logging`]: where log lines go.
//! - `backups`: the schedule of backups.
//! - [`origin`]: how a node becomes a member. `tls`: the files of its certificates. `traces`: where traces are sent.
//!   [`values`]: lists and addresses. `fuzzing`: the fuzz targets of settings.

pub mod args;
mod backups;
pub mod config;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod logging;
pub mod origin;
mod tls;
mod traces;
pub mod values;
