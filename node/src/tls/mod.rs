//! TLS: the certificates of a node, read from files and read again when they change.
//!
//! - [`files`]: the files, and what has to be true of them.
//! - [`configs`]: the settings of rustls for peers and for clients.
//! - [`certificates`]: what is in use now, replaced as a whole when the files change: certificates and authorities, so
//!   that both can be changed while the node runs.
//! - [`reason`]: why a handshake failed, in a sentence for operators.

#[cfg(test)]
pub(crate) mod authority;
pub mod certificates;
mod configs;
pub mod files;
pub mod reason;

pub use certificates::{Certificates, Generation};
pub(crate) use configs::PEER_PROTOCOL;
pub use files::{KeyPairFiles, TlsFiles, TlsProblem};
