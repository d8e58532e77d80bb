//! What the transport stands on: somebody who dials, somebody who listens, and streams of bytes. TCP,
//! TLS over it and simulated networks are all behind these. Knows nothing of frames.

use futures::future::BoxFuture;
use nexus_domain::{ClusterId, NodeId};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> ByteStream for T {}

/// Who the certificate of the other end says it is. The handshake must not contradict it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The cluster that the certificate was issued in.
    pub cluster: ClusterId,
    /// The node it was issued to; none for a certificate of a node that is about to join.
    pub node: Option<NodeId>,
}

/// A connection to another node, before any handshake of ours.
pub struct Wire {
    /// The bytes.
    pub stream: Box<dyn ByteStream>,
    /// What TLS has proved about the other end; none on a plaintext connection.
    pub certified: Option<Certified>,
}

impl Wire {
    /// A connection that proves nothing about the other end.
    pub fn plain(stream: impl ByteStream) -> Self {
        Self { stream: Box::new(stream), certified: None }
    }
}

/// Makes connections. Callers bound the time; a dropped future must leave nothing behind.
pub trait Dial: Send + Sync + 'static {
    /// Connects to `addr`, `host:port`.
    ///
    /// # Errors
    /// When the address does not resolve or nobody answers there.
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>>;
}

/// A connection that came in.
pub struct Incoming {
    /// Where from, for logs.
    pub remote: String,
    /// Becomes the connection: a TLS handshake happens in it, away from the accept loop.
    pub wire: BoxFuture<'static, io::Result<Wire>>,
}

/// Takes connections. `accept` must be safe to cancel.
pub trait Listen: Send + 'static {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// Those of the operating system; the caller pauses and tries again.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>>;
}
