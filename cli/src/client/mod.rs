//! Requests to a cluster of several servers.
//!
//! - [`request`]: what is asked; the answer is an [`Answer`](crate::answer::Answer).
//! - [`attempt`]: one request to one server.
//! - [`failover`]: the same request to server after server until one could do it, within one
//!   deadline for the whole command.
//! - [`download`]: an answer of any length, from the first server that has one.

mod attempt;
mod download;
mod failover;
mod request;

pub(crate) use download::Download;
pub(crate) use failover::Client;
pub(crate) use request::Request;
