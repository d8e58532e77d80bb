//! Errors for people: what happened, to what, and what to do next.
//!
//! - [`failure`]: the kinds of failure and their exit codes.
//! - [`report`]: the text of a failure, and its JSON. [`refusal`]: the text of a refusal by the cluster. [`hint`]: the
//!   next command to run after each of them.

mod failure;
mod hint;
mod refusal;
mod report;

pub(crate) use failure::{Error, Refused, Unreachable, UnreachableServer};
pub(crate) use report::{Report, as_json};
