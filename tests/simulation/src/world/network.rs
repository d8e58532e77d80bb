//! A simulated network: connections as TCP gives them, over links that take time, stall in one direction, and break.
//!
//! A stream neither loses nor reorders bytes, as little as TCP does. What a program sees of a lossy network is bytes
//! that come late or not at all, connections that break at any byte, and a new connection beside the one that broke: so
//! requests are lost, answered twice, and overtake each other.

use super::{
    clock::WorldTime,
    points::{self, Step},
};
use futures::future::BoxFuture;
use nexus_node::peer::wire::{Dial, Incoming, Listen, Wire};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    ops::RangeInclusive,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::sleep,
};

/// Bytes on their way in one direction of a connection, as the buffers of two sockets hold them.
const CAPACITY: usize = 256 << 10;
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;
/// A lost packet is sent again after this time.
const SENT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A place in the network: the number of a node, from 0.
pub type Place = usize;

/// A network. Clones share it.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Inner>>);

struct Inner {
    time: WorldTime,
    rng: SmallRng,
    listeners: BTreeMap<String, (Place, mpsc::Sender<Incoming>)>,
    /// The one-way delay of each direction as long as it is slower than usual, in milliseconds.
    delays: BTreeMap<(Place, Place), RangeInclusive<u64>>,
    /// The usual one-way delay of each direction, in milliseconds; [`Inner::near`] where it has none of its own.
    distances: BTreeMap<(Place, Place), RangeInclusive<u64>>,
    near: RangeInclusive<u64>,
    /// The directions in which nothing arrives.
    stalled: BTreeSet<(Place, Place)>,
    /// The nodes whose machines have no power.
    silent: BTreeSet<Place>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Everything that was delivered, for the trace: connection, direction, bytes.
    delivered: Vec<Delivery>,
}

/// Bytes that reached the other end of a connection.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When, in milliseconds since the beginning.
    pub at: u64,
    /// The place of the sender.
    pub from: Place,
    /// The place of the receiver.
    pub to: Place,
    /// The number of the connection.
    pub connection: u64,
    /// The bytes that arrived.
    pub bytes: Vec<u8>,
}

struct Connection {
    ends: [Place; 2],
    /// Those from the first end to the second one, and back.
    pipes: [Pipe; 2],
    is_broken: bool,
    is_dropped: [bool; 2],
}

#[derive(Default)]
struct Pipe {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// When the last bytes arrive: nothing overtakes them.
    last: u64,
    /// When the end of the stream arrives, once the sender has closed it.
    closed: Option<u64>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Chunk {
    arrives: u64,
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Network {
    /// A network whose links take this long in each direction, in milliseconds.
    pub fn new(time: WorldTime, seed: u64, near: RangeInclusive<u64>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            time,
            rng: SmallRng::seed_from_u64(seed),
            listeners: BTreeMap::new(),
            delays: BTreeMap::new(),
            distances: BTreeMap::new(),
            near,
            stalled: BTreeSet::new(),
            silent: BTreeSet::new(),
            connections: BTreeMap::new(),
            next: 0,
            delivered: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens at an address, in place of an earlier listener there.
    pub fn listen(&self, place: Place, addr: &str) -> Box<dyn Listen> {
        let (sender, waiting) = mpsc::channel(BACKLOG);
        self.lock().listeners.insert(addr.to_owned(), (place, sender));
        Box::new(Listener(waiting))
    }

    /// The network as a node sees it.
    pub fn of(&self, place: Place) -> Arc<dyn Dial> {
        Arc::new(Dialer { network: self.clone(), place })
    }

    /// Sets the usual delay of both directions between two nodes.
    pub fn set_distance(&self, one: Place, other: Place, delay: RangeInclusive<u64>) {
        let mut inner = self.lock();
        inner.distances.insert((one, other), delay.clone());
        inner.distances.insert((other, one), delay);
    }

    /// Gives both directions between two nodes their usual delay again.
    pub fn end_delay(&self, one: Place, other: Place) {
        let mut inner = self.lock();
        inner.delays.remove(&(one, other));
        inner.delays.remove(&(other, one));
    }

    /// Sets the delay of both directions between two nodes, in place of the usual one.
    pub fn set_delay(&self, one: Place, other: Place, delay: RangeInclusive<u64>) {
        let mut inner = self.lock();
        inner.delays.insert((one, other), delay.clone());
        inner.delays.insert((other, one), delay);
    }

    /// Lets nothing arrive in one direction, or lets everything arrive that was held up.
    pub fn stall(&self, from: Place, to: Place, is_stalled: bool) {
        let mut inner = self.lock();
        if is_stalled {
            inner.stalled.insert((from, to));
        } else {
            inner.stalled.remove(&(from, to));
        }
    }

    /// Lets everything arrive again.
    pub fn heal(&self) {
        self.lock().stalled.clear();
    }

    /// Breaks all connections between two nodes.
    pub fn break_between(&self, one: Place, other: Place) {
        self.lock().break_where(|ends| ends == [one, other] || ends == [other, one]);
    }

    /// The machine of a node loses its power: nobody learns of it.
    pub fn silence(&self, place: Place) {
        self.lock().silent.insert(place);
    }

    /// The machine of a node is there, and knows of no connection and no listener.
    pub fn restart(&self, place: Place) {
        let mut inner = self.lock();
        inner.silent.remove(&place);
        inner.listeners.retain(|_, (at, _)| *at != place);
        inner.break_where(|ends| ends.contains(&place));
    }

    /// Waits for as long as a message takes from one place to another, which is for ever while nothing arrives.
    pub(super) async fn cross(&self, from: Place, to: Place) {
        let delay = self.lock().delay(from, to);
        sleep(Duration::from_millis(delay)).await;
        while self.lock().is_stalled(from, to) {
            sleep(SENT_AGAIN_AFTER).await;
        }
    }

    /// Wakes the receivers of what has arrived by now.
    pub(super) fn deliver(&self) {
        let inner = &mut *self.lock();
        let now = inner.time.now();
        for connection in inner.connections.values_mut() {
            let [one, other] = connection.ends;
            for (pipe, way) in connection.pipes.iter_mut().zip([(one, other), (other, one)]) {
                let is_there = pipe.chunks.front().is_some_and(|chunk| chunk.arrives <= now)
                    || pipe.closed.is_some_and(|at| at <= now);
                if is_there && !inner.stalled.contains(&way) && !inner.silent.contains(&way.0) {
                    pipe.reader.take().into_iter().for_each(Waker::wake);
                }
            }
        }
    }

    /// Takes what has arrived since the last call.
    pub(super) fn take_delivered(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.lock().delivered)
    }
}

impl Inner {
    fn delay(&mut self, from: Place, to: Place) -> u64 {
        let way = (from, to);
        let usual = self.distances.get(&way).unwrap_or(&self.near);
        let range = self.delays.get(&way).unwrap_or(usual).clone();
        self.rng.random_range(range)
    }

    fn break_where(&mut self, is_meant: impl Fn([Place; 2]) -> bool) {
        for connection in self.connections.values_mut() {
            if is_meant(connection.ends) && !connection.is_broken {
                connection.is_broken = true;
                connection.pipes.iter_mut().for_each(Pipe::wake);
            }
        }
    }

    fn connect(&mut self, from: Place, to: Place) -> u64 {
        let number = self.next;
        self.next += 1;
        let connection = Connection {
            ends: [from, to],
            pipes: Default::default(),
            is_broken: false,
            is_dropped: [false; 2],
        };
        self.connections.insert(number, connection);
        number
    }

    /// The way of what one side of a connection sends.
    fn way(&self, number: u64, side: usize) -> Option<(Place, Place)> {
        let ends = self.connections.get(&number)?.ends;
        Some((ends[side], ends[1 - side]))
    }

    fn is_stalled(&self, from: Place, to: Place) -> bool {
        self.stalled.contains(&(from, to)) || self.silent.contains(&from) || self.silent.contains(&to)
    }

    /// Closes the stream of one side. A machine without power says nothing.
    fn close(&mut self, number: u64, side: usize) {
        let Some((from, to)) = self.way(number, side).filter(|(from, _)| !self.silent.contains(from)) else {
            return;
        };
        let arrives = self.time.now() + self.delay(from, to);
        if let Some(connection) = self.connections.get_mut(&number) {
            let pipe = &mut connection.pipes[side];
            pipe.closed.get_or_insert(pipe.last.max(arrives));
        }
    }
}

struct Listener(mpsc::Receiver<Incoming>);

impl Listen for Listener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(incoming) => Ok(incoming),
                // Another listener has taken the address.
                None => std::future::pending().await,
            }
        })
    }
}

struct Dialer {
    network: Network,
    place: Place,
}

impl Dial for Dialer {
    fn dial<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Wire>> {
        Box::pin(async move {
            let round_trip = {
                let mut inner = self.network.lock();
                let to = inner.listeners.get(addr).map(|(place, _)| *place);
                let Some(to) = to else { return Err(io::ErrorKind::ConnectionRefused.into()) };
                inner.delay(self.place, to) + inner.delay(to, self.place)
            };
            sleep(Duration::from_millis(round_trip)).await;
            loop {
                {
                    let mut inner = self.network.lock();
                    let found = inner.listeners.get(addr).cloned();
                    let Some((to, listener)) = found else {
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    };
                    if !inner.is_stalled(self.place, to) && !inner.is_stalled(to, self.place) {
                        let number = inner.connect(self.place, to);
                        let end = |side| End { network: self.network.clone(), number, side };
                        let (near, far) = (end(0), end(1));
                        // The lock is not held while an end is dropped.
                        drop(inner);
                        let remote = format!("node-{}", self.place);
                        let wire = Box::pin(std::future::ready(Ok(Wire::plain(far))));
                        let sent = listener.try_send(Incoming { remote, wire });
                        sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
                        return Ok(Wire::plain(near));
                    }
                }
                // A packet of the handshake was lost.
                sleep(SENT_AGAIN_AFTER).await;
            }
        })
    }
}

/// One end of a connection.
struct End {
    network: Network,
    number: u64,
    side: usize,
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.network.lock();
        let now = inner.time.now();
        let reset = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        let Some((from, to)) = inner.way(self.number, 1 - self.side) else { return reset() };
        let is_stalled = inner.is_stalled(from, to);
        let Some(connection) = inner.connections.get_mut(&self.number) else { return reset() };
        if connection.is_broken {
            return reset();
        }
        let pipe = &mut connection.pipes[1 - self.side];
        if !is_stalled {
            if let Some(chunk) = pipe.chunks.front_mut().filter(|chunk| chunk.arrives <= now) {
                if points::pass(to, Step::Receive, false) {
                    return Poll::Pending;
                }
                let count = buf.remaining().min(chunk.bytes.len() - chunk.read);
                let bytes = &chunk.bytes[chunk.read..chunk.read + count];
                buf.put_slice(bytes);
                let delivery = Delivery { at: now, from, to, connection: self.number, bytes: bytes.to_vec() };
                inner.delivered.push(delivery);
                chunk.read += count;
                if chunk.read == chunk.bytes.len() {
                    pipe.chunks.pop_front();
                }
                pipe.bytes -= count;
                pipe.writer.take().into_iter().for_each(Waker::wake);
                if points::pass(to, Step::Receive, true) {
                    return Poll::Pending;
                }
                return Poll::Ready(Ok(()));
            }
            if pipe.chunks.is_empty() && pipe.closed.is_some_and(|at| at <= now) {
                return Poll::Ready(Ok(()));
            }
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &mut *self.network.lock();
        let now = inner.time.now();
        let broken = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        let Some((from, to)) = inner.way(self.number, self.side) else { return broken() };
        if points::pass(from, Step::Send, false) {
            return Poll::Pending;
        }
        let delay = inner.delay(from, to);
        let Some(connection) = inner.connections.get_mut(&self.number) else { return broken() };
        if connection.is_broken || connection.pipes[1 - self.side].closed.is_some_and(|at| at <= now) {
            return broken();
        }
        let pipe = &mut connection.pipes[self.side];
        if pipe.bytes >= CAPACITY {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(CAPACITY - pipe.bytes);
        pipe.last = pipe.last.max(now + delay);
        pipe.bytes += count;
        pipe.chunks.push_back(Chunk { arrives: pipe.last, bytes: bytes[..count].to_vec(), read: 0 });
        if points::pass(from, Step::Send, true) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.lock().close(self.number, self.side);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let inner = &mut *self.network.lock();
        inner.close(self.number, self.side);
        if let Some(connection) = inner.connections.get_mut(&self.number) {
            connection.is_dropped[self.side] = true;
            if connection.is_dropped == [true; 2] {
                inner.connections.remove(&self.number);
            }
        }
    }
}
