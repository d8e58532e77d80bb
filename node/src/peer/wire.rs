//! The traits under the transport: dialing, listening, and streams of bytes. TCP and simulated networks implement them,
//! and TLS can. Nothing here knows of frames.

use futures::future::BoxFuture;
use nexus_domain::{ClusterId, NodeId};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> ByteStream for T {}

/// The identity in the certificate of the other end, which the handshake must not contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateIdentity {
    /// The cluster that the certificate was issued in.
    pub cluster: ClusterId,
    /// The node it was issued to; none for a certificate of a node that is about to join.
    pub node: Option<NodeId>,
}

/// A connection to another node, before the handshake.
pub struct Wire {
    /// The bytes of both directions.
    pub stream: Box<dyn ByteStream>,
    /// The identity that TLS has proved for the other end; none on a plaintext connection.
    pub certified: Option<CertificateIdentity>,
}

impl Wire {
    /// A connection that proves nothing about the other end.
    pub fn plain(stream: impl ByteStream) -> Self {
        Self { stream: Box::new(stream), certified: None }
    }
}

/// Makes connections. Callers set the time limit, so a dropped future must leave nothing behind.
pub trait Dial: Send + Sync + 'static {
    /// Connects to `addr`, `host:port`.
    ///
    /// # Errors
    /// When the address does not resolve, or nothing listens there.
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>>;
}

/// An accepted connection.
pub struct Incoming {
    /// The remote address, for logs and for limits.
    pub remote: String,
    /// Resolves to the connection. A TLS handshake would happen here, outside of the accept loop.
    pub wire: BoxFuture<'static, io::Result<Wire>>,
}

/// Accepts connections. `accept` must be cancel-safe.
pub trait Listen: Send + 'static {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// Errors of the operating system, after which the caller pauses and retries.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>>;
}
