//! Limits the connections of clients, WebSockets included, and decides which idle one ends when a new one needs its
//! permit. `http` serves them, `activity` tracks what happens on each.
//!
//! An idle connection costs its client only the time to make another one, so it ends when a new one arrives. A
//! connection with a request stays until its client stops taking the answer.

use crate::serve::activity::Activity;
use nexus_api::network;
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, IoSlice},
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

/// Connections that were cancelled and have not ended yet, at most. They are open beyond the limit, for some
/// microseconds.
pub(crate) const MAX_ENDING: usize = 64;

/// All connections of one listener. Clones share the table.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    most: usize,
    /// Notified when a cancelled connection has ended.
    ended: Notify,
}

#[derive(Default)]
struct Table {
    /// Connections that hold a file descriptor, cancelled ones included.
    open: HashMap<u64, Open>,
    of: HashMap<IpAddr, NetworkConnections>,
    /// Networks with an idle connection, by their number of connections.
    with_idle: BTreeSet<(usize, IpAddr)>,
    ending: usize,
    made: u64,
    /// Counts changes of idleness, and so orders idle connections by when they became idle.
    rested: u64,
}

struct Open {
    from: IpAddr,
    activity: Activity,
    end: CancellationToken,
    /// The count at which it became idle; none while it is busy.
    idle: Option<u64>,
    is_ending: bool,
}

/// The connections of one network, without cancelled ones.
#[derive(Default)]
struct NetworkConnections {
    count: usize,
    /// Its idle connections, by when they became idle, and their ids.
    idle: BTreeSet<(u64, u64)>,
}

/// The permit of one connection, until this is dropped.
pub(crate) struct ConnectionPermit {
    connections: Connections,
    id: u64,
    /// The activity on the connection.
    pub(crate) activity: Activity,
    /// Cancelled when the connection has to end at once, because others need what it holds.
    pub(crate) end: CancellationToken,
}

impl Connections {
    /// A table with at most `most` connections.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { table: Mutex::default(), most, ended: Notify::new() }))
    }

    /// The most connections from one network, so that one address cannot take all of them.
    fn max_per_network(&self) -> usize {
        self.0.most - self.0.most / 4
    }

    /// Admits a connection from an address. At the limit, it takes the permit of another connection: of the networks
    /// with an idle one, that with the most connections, and its connection that has been idle for longest. None when
    /// all are busy.
    pub(crate) fn admit(&self, from: IpAddr) -> Option<ConnectionPermit> {
        let from = network(from);
        let mut table = self.table();
        if table.of.get(&from).map_or(0, |of| of.count) >= self.max_per_network() {
            table.evict_idle(from)?;
        } else if table.open.len() - table.ending >= self.0.most {
            let (_, busiest) = table.with_idle.last().copied()?;
            table.evict_idle(busiest)?;
        }
        table.made += 1;
        let (id, end) = (table.made, CancellationToken::new());
        let connections = self.clone();
        let activity = Activity::new(move |is_idle| connections.set_idle(id, is_idle));
        let open = Open { from, activity: activity.clone(), end: end.clone(), idle: None, is_ending: false };
        table.open.insert(id, open);
        table.change(from, |of| of.count += 1);
        table.set_idle(id, true);
        Some(ConnectionPermit { connections: self.clone(), id, activity, end })
    }

    /// Waits until fewer than [`MAX_ENDING`] cancelled connections are still open.
    pub(crate) async fn settled(&self) {
        while self.table().ending >= MAX_ENDING {
            self.0.ended.notified().await;
        }
    }

    /// The number of open connections, and of their requests whose answer is not complete.
    pub(crate) fn count(&self) -> (usize, usize) {
        // Never both locks at once: a task that holds the lock of an activity may wait for this one.
        let activities: Vec<Activity> =
            self.table().open.values().map(|open| open.activity.clone()).collect();
        (activities.len(), activities.iter().map(Activity::requests).sum())
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.table().open.len()
    }

    /// Records that a connection has become idle or busy.
    pub(crate) fn set_idle(&self, id: u64, is_idle: bool) {
        self.table().set_idle(id, is_idle);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn change(&mut self, from: IpAddr, change: impl FnOnce(&mut NetworkConnections)) {
        let of = self.of.entry(from).or_default();
        self.with_idle.remove(&(of.count, from));
        change(of);
        if !of.idle.is_empty() {
            self.with_idle.insert((of.count, from));
        }
        if of.count == 0 {
            self.of.remove(&from);
        }
    }

    fn set_idle(&mut self, id: u64, is_idle: bool) {
        let Some(open) = self.open.get_mut(&id).filter(|open| !open.is_ending) else { return };
        self.rested += 1;
        let (from, was) = (open.from, std::mem::replace(&mut open.idle, is_idle.then_some(self.rested)));
        let is = open.idle;
        self.change(from, |of| {
            if let Some(since) = was {
                of.idle.remove(&(since, id));
            }
            if let Some(since) = is {
                of.idle.insert((since, id));
            }
        });
    }

    /// Cancels the connection of a network that has been idle for longest.
    fn evict_idle(&mut self, network: IpAddr) -> Option<()> {
        let (_, id) = self.of.get(&network)?.idle.first().copied()?;
        self.set_idle(id, false);
        self.change(network, |of| of.count -= 1);
        let open = self.open.get_mut(&id)?;
        open.is_ending = true;
        self.ending += 1;
        open.end.cancel();
        Some(())
    }

    /// Removes a connection that has ended.
    fn remove(&mut self, id: u64) -> Option<Open> {
        self.set_idle(id, false);
        let open = self.open.remove(&id)?;
        if open.is_ending {
            self.ending -= 1;
        } else {
            self.change(open.from, |of| of.count -= 1);
        }
        Some(open)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let removed = self.connections.table().remove(self.id);
        if removed.is_some_and(|open| open.is_ending) {
            self.connections.0.ended.notify_one();
        }
    }
}

/// A connection with its permit, which it holds for as long as it has a file descriptor: as a WebSocket too, and while
/// it ends.
pub(crate) struct Connection {
    stream: TcpStream,
    permit: ConnectionPermit,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, permit: ConnectionPermit) -> Self {
        Self { stream, permit }
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.permit.activity
    }

    pub(crate) fn end(&self) -> &CancellationToken {
        &self.permit.end
    }

    /// Waits until the client has sent a byte.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Waits for the first byte that the client sends, and leaves it to be read; none when it hung up.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let read = self.stream.peek(&mut first).await?;
        Ok((read > 0).then_some(first[0]))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::serve::activity::OpenRequest;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn at_the_limit_the_longest_idle_connection_of_the_busiest_network_ends() {
        let connections = Connections::new(4);
        let crowd: Vec<ConnectionPermit> = (0..3).map(|_| connections.admit(from(1)).unwrap()).collect();
        let other = connections.admit(from(2)).unwrap();
        // The oldest one works, so the next one goes.
        let working = crowd[0].activity.begin_request();
        let newcomer = connections.admit(from(3)).unwrap();
        let ended: Vec<bool> = crowd.iter().map(|permit| permit.end.is_cancelled()).collect();
        assert_eq!(ended, [false, true, false]);
        assert!(!other.end.is_cancelled() && !newcomer.end.is_cancelled());
        assert_eq!(connections.count(), (5, 1), "the cancelled one has not ended yet");
        drop(crowd);
        drop(working);
        assert_eq!(connections.count(), (2, 0));
    }

    #[test]
    fn one_address_evicts_its_own_connections_and_none_of_others() {
        let connections = Connections::new(8);
        let mut crowd: Vec<ConnectionPermit> = (0..20).filter_map(|_| connections.admit(from(1))).collect();
        crowd.retain(|permit| !permit.end.is_cancelled());
        assert_eq!((crowd.len(), connections.count().0), (6, 6));
        let working: Vec<OpenRequest> = crowd.iter().map(|permit| permit.activity.begin_request()).collect();
        assert!(connections.admit(from(1)).is_none(), "all of its own are busy");
        assert!(connections.admit(from(2)).is_some() && connections.admit(from(3)).is_some());
        drop((crowd, working));
        assert_eq!(connections.count(), (0, 0));
    }

    #[test]
    fn a_newcomer_gets_a_permit_while_any_connection_is_idle() {
        let connections = Connections::new(8);
        let busiest: Vec<ConnectionPermit> = (0..5).map(|_| connections.admit(from(1)).unwrap()).collect();
        let _working: Vec<OpenRequest> =
            busiest.iter().map(|permit| permit.activity.begin_request()).collect();
        let others: Vec<ConnectionPermit> =
            (2..5).map(|last| connections.admit(from(last)).unwrap()).collect();
        let _newcomer = connections.admit(from(9)).unwrap();
        let ended = || others.iter().filter(|permit| permit.end.is_cancelled()).count();
        assert_eq!(ended(), 1);
        let _asked: Vec<OpenRequest> = others.iter().map(|permit| permit.activity.begin_request()).collect();
        let next = connections.admit(from(10)).unwrap();
        assert_eq!(ended(), 1, "the newcomer had asked nothing yet");
        let _asked_too = next.activity.begin_request();
        assert!(connections.admit(from(11)).is_none(), "all are busy");
    }

    #[test]
    fn a_websocket_holds_a_permit_and_is_never_evicted() {
        let connections = Connections::new(4);
        let sockets: Vec<ConnectionPermit> = (0..3).map(|_| connections.admit(from(1)).unwrap()).collect();
        sockets.iter().for_each(|permit| permit.activity.upgrade());
        let idle = connections.admit(from(2)).unwrap();
        let _newcomer = connections.admit(from(3)).unwrap();
        assert!(idle.end.is_cancelled());
        assert!(sockets.iter().all(|permit| !permit.end.is_cancelled()));
        assert!(connections.admit(from(1)).is_none());
    }

    #[tokio::test]
    async fn cancelled_connections_are_counted_until_they_have_ended() {
        let connections = Connections::new(4);
        let mut crowd = Vec::new();
        while connections.open() < 3 + MAX_ENDING {
            crowd.push(connections.admit(from(1)).unwrap());
        }
        {
            let mut settled = std::pin::pin!(connections.settled());
            assert!(futures::poll!(settled.as_mut()).is_pending(), "nobody is let in");
            crowd.remove(0);
            settled.await;
        }
        drop(crowd);
        let table = connections.table();
        assert_eq!((table.open.len(), table.of.len(), table.with_idle.len(), table.ending), (0, 0, 0, 0));
    }
}
