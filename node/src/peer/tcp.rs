//! Plaintext TCP: for loopback addresses, and for clusters with `--insecure-peers`.

use super::{
    limits::KEEPALIVE,
    wire::{Dial, Incoming, Listen, Wire},
};
use futures::future::BoxFuture;
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr};
use tokio::net::{TcpListener, TcpStream};

/// Dials by TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>> {
        Box::pin(async move {
            let stream = TcpStream::connect(addr).await?;
            tune(&stream)?;
            Ok(Wire::plain(stream))
        })
    }
}

/// Listens on a TCP port.
#[derive(Debug)]
pub struct TcpListen(TcpListener);

impl TcpListen {
    /// Listens on `addr`, `host:port`. Port 0 takes any free port.
    ///
    /// # Errors
    /// When the address is in use, or not of this machine.
    pub async fn bind(addr: &str) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(addr).await?))
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Listen for TcpListen {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let (stream, remote) = self.0.accept().await?;
            let wire = async move {
                tune(&stream)?;
                Ok(Wire::plain(stream))
            };
            Ok(Incoming { remote: remote.to_string(), wire: Box::pin(wire) })
        })
    }
}

/// Sends small frames at once, and notices a peer that vanished without closing the connection.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
