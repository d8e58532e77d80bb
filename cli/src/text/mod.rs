//! Texts for people, and texts of others that are safe to print. It prints nothing.
//!
//! - [`clock`]: times as people read them. [`format`]: holders, lists, counts and sizes. [`plain`]: texts that cannot
//!   control a terminal. [`similar`]: what was probably meant by a misspelt name.

mod clock;
pub(crate) mod format;
mod plain;
pub(crate) mod similar;

pub(crate) use clock::{Clock, span};
pub(crate) use plain::{plain, plain_value, printable, printable_json};
