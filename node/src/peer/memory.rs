//! A network inside one process, for tests and simulations: addresses are names, connections are pipes, and any address
//! can be cut off. A real node never uses it.

use super::wire::{Dial, Incoming, Listen, Wire};
use futures::future::BoxFuture;
use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// Bytes that one direction of a pipe holds, as a socket buffer would.
const PIPE_CAPACITY: usize = 256 * 1024;

/// Connections that wait for `accept`, as the backlog of a listening socket.
const BACKLOG: usize = 128;

/// A network inside this process. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryNetwork(Arc<Mutex<BTreeMap<String, Endpoint>>>);

#[derive(Default)]
struct Endpoint {
    /// The queue of a listener; `None` while there is none.
    listener: Option<mpsc::Sender<DuplexStream>>,
    /// Cancelled to cut every connection of this address.
    cut: CancellationToken,
    /// Whether connections from and to this address are refused.
    is_cut_off: bool,
}

impl MemoryNetwork {
    /// Listens at `addr`, in place of an earlier listener.
    pub fn listen(&self, addr: &str) -> MemoryListen {
        let (listener, backlog) = mpsc::channel(BACKLOG);
        self.endpoints().entry(addr.to_owned()).or_default().listener = Some(listener);
        MemoryListen(backlog)
    }

    /// Dials from `addr`.
    pub fn dialer(&self, addr: &str) -> MemoryDial {
        MemoryDial { network: self.clone(), from: addr.to_owned() }
    }

    /// Breaks every connection from and to `addr`, and refuses new ones until [`Self::heal`].
    pub fn cut(&self, addr: &str) {
        let mut endpoints = self.endpoints();
        let endpoint = endpoints.entry(addr.to_owned()).or_default();
        endpoint.is_cut_off = true;
        std::mem::take(&mut endpoint.cut).cancel();
    }

    /// Breaks every connection from and to `addr`; new ones can be made.
    pub fn reset(&self, addr: &str) {
        let mut endpoints = self.endpoints();
        std::mem::take(&mut endpoints.entry(addr.to_owned()).or_default().cut).cancel();
    }

    /// Lets connections from and to `addr` be made again.
    pub fn heal(&self, addr: &str) {
        self.endpoints().entry(addr.to_owned()).or_default().is_cut_off = false;
    }

    fn endpoints(&self) -> MutexGuard<'_, BTreeMap<String, Endpoint>> {
        self.0.lock().expect("no thread panics while it holds the map")
    }

    fn connect(
        &self,
        from: &str,
        to: &str,
    ) -> io::Result<(mpsc::Sender<DuplexStream>, PipeEnd, DuplexStream)> {
        let mut endpoints = self.endpoints();
        let here = endpoints.entry(from.to_owned()).or_default();
        let (cut_here, is_cut_off) = (here.cut.clone(), here.is_cut_off);
        let there = endpoints.entry(to.to_owned()).or_default();
        if is_cut_off || there.is_cut_off {
            return Err(io::ErrorKind::HostUnreachable.into());
        }
        let listener = there.listener.clone().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = tokio::io::duplex(PIPE_CAPACITY);
        let cuts = [cut_here, there.cut.clone()].map(|cut| Box::pin(cut.cancelled_owned()) as _);
        Ok((listener, PipeEnd { pipe: near, cuts }, far))
    }
}

/// Dials on a [`MemoryNetwork`].
#[derive(Clone)]
pub struct MemoryDial {
    network: MemoryNetwork,
    from: String,
}

impl Dial for MemoryDial {
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>> {
        Box::pin(async move {
            let (listener, near, far) = self.network.connect(&self.from, addr)?;
            listener.send(far).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(Wire::plain(near))
        })
    }
}

/// Listens on a [`MemoryNetwork`].
pub struct MemoryListen(mpsc::Receiver<DuplexStream>);

impl Listen for MemoryListen {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let Some(pipe) = self.0.recv().await else {
                // Another listener took the address: this one waits for ever, as with a lost socket.
                return std::future::pending().await;
            };
            let wire = Box::pin(async move { Ok(Wire::plain(pipe)) });
            Ok(Incoming { remote: "memory".to_owned(), wire })
        })
    }
}

/// The dialing end of a pipe. Both ends break when either address is cut.
struct PipeEnd {
    pipe: DuplexStream,
    cuts: [Pin<Box<dyn Future<Output = ()> + Send + Sync>>; 2],
}

impl PipeEnd {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let is_cut = self.cuts.iter_mut().any(|cut| cut.as_mut().poll(cx).is_ready());
        if !is_cut {
            return Ok(());
        }
        // Dropping our end is what the other one notices.
        self.pipe = tokio::io::duplex(1).0;
        self.cuts = [(); 2].map(|()| Box::pin(std::future::ready(())) as _);
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for PipeEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for PipeEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
