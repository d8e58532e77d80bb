//! What went wrong, to what, and what to do next.
//!
//! - [`failure`]: the kinds of failure and their exit codes.
//! - [`report`]: what a person, or a program, is told. [`refusal`]: the cluster's refusals in words.
//!   [`hint`]: what to do about each of them.

mod failure;
mod hint;
mod refusal;
mod report;

pub(crate) use failure::{Error, Refused, Unreachable, UnreachableServer};
pub(crate) use report::{Report, as_json};
