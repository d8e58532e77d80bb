//! Requests to a cluster of several servers.
//!
//! - [`request`]: what is asked; the answer is an [`Answer`](crate::answer::Answer).
//! - [`headers`]: the headers of a request, and the HTTP request with them.
//! - [`attempt`]: one request to one server.
//! - [`deadline`]: the end of all requests of a command.
//! - [`known_servers`]: what earlier commands found out about servers and members.
//! - [`race`]: the attempts of one request on several servers at once.
//! - [`failover`]: the same request to server after server until one could do it, by the deadline.
//! - [`download`]: an answer of any length, from the first server that has one.

mod attempt;
mod deadline;
mod download;
mod failover;
mod headers;
mod known_servers;
mod race;
mod request;

pub(crate) use deadline::Deadline;
pub(crate) use download::Download;
pub(crate) use failover::Client;
pub(crate) use known_servers::KnownServers;
pub(crate) use request::Request;
