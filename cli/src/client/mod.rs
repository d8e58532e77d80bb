//! Requests to a cluster of several servers.
//!
//! - [`request`]: what is asked, and what is answered.
//! - [`attempt`]: one request to one server.
//! - [`failover`]: the same request to server after server until one could do it, within one
//!   deadline for the whole command.

mod attempt;
mod failover;
mod request;

pub(crate) use failover::Client;
pub(crate) use request::{Answer, Request};
