//! The traits under the transport: dialing, listening, and streams of bytes. TCP, TLS over any of them, and simulated
//! networks implement them. Nothing here knows of frames.

use futures::future::BoxFuture;
use nexus_api_types::certificate::CertificateName;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// A stream of bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> ByteStream for T {}

/// The names that TLS has proved for both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The name in the certificate of this node.
    pub own: CertificateName,
    /// The name in the certificate of the other end.
    pub theirs: CertificateName,
    /// A value that only the two ends of this connection know. The proofs of membership cover it, so that nobody can
    /// pass them on between two connections.
    pub binding: [u8; 32],
}

/// A connection to another node, before the handshake.
pub struct Wire {
    /// The bytes of both directions.
    pub stream: Box<dyn ByteStream>,
    /// The names that TLS has proved; none on a connection in plain text.
    pub certified: Option<Certified>,
    /// Cancelled when the connection should not be used any longer, because certificates have changed: when the end
    /// that dialled should make another one, or when the end that was called has to end this one.
    pub outdated: CancellationToken,
}

impl Wire {
    /// A connection that proves nothing about the other end.
    pub fn plain(stream: impl ByteStream) -> Self {
        Self { stream: Box::new(stream), certified: None, outdated: CancellationToken::new() }
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

impl Listen for Box<dyn Listen> {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        self.as_mut().accept()
    }
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
