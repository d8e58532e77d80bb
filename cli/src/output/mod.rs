//! Where words go: data to stdout, the rest to stderr; colours only to a terminal.
//!
//! - [`print`]: the two streams, and JSON. [`table`]: lists. [`clock`]: times as people read them.
//!   [`format`]: holders, paths and counts. [`plain`]: texts that cannot steer a terminal. [`progress`]: a line
//!   for whoever waits.

mod clock;
pub(crate) mod format;
mod plain;
mod print;
mod progress;
mod table;

pub(crate) use clock::{Clock, span};
pub(crate) use plain::{plain, plain_value, printable_json};
pub(crate) use print::Output;
pub(crate) use progress::Progress;
pub(crate) use table::{Table, Tone};
