//! Requests to a cluster of several servers.
//!
//! - [`request`]: what is asked; the answer is an [`Answer`](crate::answer::Answer).
//! - [`headers`]: the headers of a request, and the HTTP request with them.
//! - [`trust`]: the authorities whose certificates are accepted.
//! - [`attempt`]: one request to one server. [`reason`]: why it brought no answer. [`tls_problem`]: why there was no
//!   connection through TLS.
//! - [`deadline`]: the end of all requests of a command.
//! - [`known_servers`]: what earlier commands found out about servers and members.
//! - [`race`]: the attempts of one request on several servers at once.
//! - [`failover`]: the same request to server after server until one could do it, by the deadline.
//! - [`download`]: an answer of any length, from the first server that has one.
//! - [`server_certificate`]: the certificate that a server shows.

mod attempt;
mod deadline;
mod download;
mod failover;
mod headers;
mod known_servers;
mod race;
mod reason;
mod request;
mod server_certificate;
mod tls_problem;
pub(crate) mod trust;

pub(crate) use deadline::Deadline;
pub(crate) use download::Download;
pub(crate) use failover::Client;
pub(crate) use known_servers::KnownServers;
pub(crate) use request::Request;
pub(crate) use trust::Trust;
