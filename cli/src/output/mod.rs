//! Prints data to stdout and everything else to stderr, with colours only on a terminal.
//!
//! - [`print`]: the two streams, and JSON. [`table`]: lists. [`clock`]: times as people read them.
//!   [`format`]: holders, lists, counts and sizes. [`plain`]: texts that cannot control a terminal. [`progress`]: a line
//!   for a person who waits.

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
