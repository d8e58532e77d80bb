//! The services of a running node: HTTP for clients, the state for the API, and requests of peers beyond Raft.
//!
//! - `http`: the listener. `client_tls`: TLS with clients. `connections` and `activity`: how many connections there
//!   are, and what happens on each. [`open_files`]: the limit of open files, from which their number follows.
//! - `cluster`: implements what the API needs of a node, with `view`, `status` and `backup`.
//! - `fenced`: the answers of a node that serves no data.
//! - `peer_requests`: answers requests of peers beyond Raft.

pub(crate) mod activity;
pub(crate) mod backup;
pub(crate) mod client_tls;
pub(crate) mod cluster;
pub(crate) mod connections;
pub(crate) mod fenced;
pub(crate) mod http;
pub mod open_files;
pub(crate) mod peer_requests;
pub(crate) mod status;
pub(crate) mod view;
