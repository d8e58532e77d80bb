//! Prints data to stdout and everything else to stderr, with colours only on a terminal.
//!
//! - [`print`]: the two streams, and JSON. [`table`]: lists. [`progress`]: a line for a person who waits.

mod print;
mod progress;
mod table;

pub(crate) use print::Output;
pub(crate) use progress::Progress;
pub(crate) use table::{Table, Tone};
