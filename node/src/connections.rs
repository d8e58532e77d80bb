//! The connections of clients, WebSockets among them: how many there may be, and which of them ends to make room. Counts
//! and decides; `http` does the talking, `activity` knows what happens on each.
//!
//! An idle connection is worth nothing to its client but the time to make another one, so it makes room for whoever
//! comes. One with a request on it stays until its client stops taking the answer.

use crate::activity::Activity;
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

/// Connections that were told to end at once and are still there: so many more than may be open, for some microseconds.
pub(crate) const MAX_ENDING: usize = 64;

/// All connections of one listener. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    most: usize,
    /// One that was told to end has ended.
    ended: Notify,
}

#[derive(Default)]
struct Table {
    /// Those that hold a descriptor, also when they were told to end.
    open: HashMap<u64, Open>,
    of: HashMap<IpAddr, OfNetwork>,
    /// Networks that have an idle one, by how many they have in all.
    with_idle: BTreeSet<(usize, IpAddr)>,
    ending: usize,
    made: u64,
    /// How often one became idle: says which was idle first.
    rested: u64,
}

struct Open {
    from: IpAddr,
    activity: Activity,
    end: CancellationToken,
    /// Since when it is idle, as a number that grows; none while it is at work.
    idle: Option<u64>,
    is_ending: bool,
}

/// What a network has, without those that were told to end.
#[derive(Default)]
struct OfNetwork {
    count: usize,
    /// Its idle ones, by since when they are.
    idle: BTreeSet<(u64, u64)>,
}

/// A connection's place, until it is dropped.
pub(crate) struct Place {
    connections: Connections,
    id: u64,
    /// What happens on it.
    pub(crate) activity: Activity,
    /// It ends at once, since others need what it holds.
    pub(crate) end: CancellationToken,
}

impl Connections {
    /// So many at once.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { table: Mutex::default(), most, ended: Notify::new() }))
    }

    /// Of them, so many from one network: an address that takes all it can leaves some to everybody else.
    fn most_of_network(&self) -> usize {
        self.0.most - self.0.most / 4
    }

    /// A place for a connection from there; where all are taken, that of the connection that was idle for longest, of the
    /// network that has most of those that have an idle one. None when all of them are at work.
    pub(crate) fn admit(&self, from: IpAddr) -> Option<Place> {
        let from = network(from);
        let mut table = self.table();
        if table.of.get(&from).map_or(0, |of| of.count) >= self.most_of_network() {
            table.make_room(from)?;
        } else if table.open.len() - table.ending >= self.0.most {
            let (_, busiest) = table.with_idle.last().copied()?;
            table.make_room(busiest)?;
        }
        table.made += 1;
        let (id, end) = (table.made, CancellationToken::new());
        let activity = Activity::new(self.clone(), id);
        let open = Open { from, activity: activity.clone(), end: end.clone(), idle: None, is_ending: false };
        table.open.insert(id, open);
        table.change(from, |of| of.count += 1);
        table.set_idle(id, true);
        Some(Place { connections: self.clone(), id, activity, end })
    }

    /// Waits until few of those that were told to end are still there.
    pub(crate) async fn settled(&self) {
        while self.table().ending >= MAX_ENDING {
            self.0.ended.notified().await;
        }
    }

    /// How many are open, and requests on them that are not answered to the end.
    pub(crate) fn count(&self) -> (usize, usize) {
        // Never both locks: whoever has that of an activity may want this one.
        let activities: Vec<Activity> =
            self.table().open.values().map(|open| open.activity.clone()).collect();
        (activities.len(), activities.iter().map(Activity::requests).sum())
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.table().open.len()
    }

    /// Notes that a request came on an idle one, or that the last one on it is answered.
    pub(crate) fn set_idle(&self, id: u64, is_idle: bool) {
        self.table().set_idle(id, is_idle);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn change(&mut self, from: IpAddr, change: impl FnOnce(&mut OfNetwork)) {
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

    /// Ends the connection of a network that was idle for longest.
    fn make_room(&mut self, network: IpAddr) -> Option<()> {
        let (_, id) = self.of.get(&network)?.idle.first().copied()?;
        self.set_idle(id, false);
        self.change(network, |of| of.count -= 1);
        let open = self.open.get_mut(&id)?;
        open.is_ending = true;
        self.ending += 1;
        open.end.cancel();
        Some(())
    }

    /// Forgets one that is gone.
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

impl Drop for Place {
    fn drop(&mut self) {
        let removed = self.connections.table().remove(self.id);
        if removed.is_some_and(|open| open.is_ending) {
            self.connections.0.ended.notify_one();
        }
    }
}

/// A connection with its place, which it has for as long as it holds a descriptor: as a WebSocket too, and while it ends.
pub(crate) struct Connection {
    stream: TcpStream,
    place: Place,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, place: Place) -> Self {
        Self { stream, place }
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.place.activity
    }

    pub(crate) fn end(&self) -> &CancellationToken {
        &self.place.end
    }

    /// Waits until its client has sent something.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
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
    use crate::activity::Handled;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn where_all_places_are_taken_the_longest_idle_one_of_the_busiest_makes_room() {
        let connections = Connections::new(4);
        let crowd: Vec<Place> = (0..3).map(|_| connections.admit(from(1)).unwrap()).collect();
        let other = connections.admit(from(2)).unwrap();
        // The oldest one works, so the next one goes.
        let working = crowd[0].activity.handle();
        let newcomer = connections.admit(from(3)).unwrap();
        let ended: Vec<bool> = crowd.iter().map(|place| place.end.is_cancelled()).collect();
        assert_eq!(ended, [false, true, false]);
        assert!(!other.end.is_cancelled() && !newcomer.end.is_cancelled());
        assert_eq!(connections.count(), (5, 1), "the one that was told to end is still there");
        drop(crowd);
        drop(working);
        assert_eq!(connections.count(), (2, 0));
    }

    #[test]
    fn one_address_takes_some_places_from_itself_and_none_from_others() {
        let connections = Connections::new(8);
        let mut crowd: Vec<Place> = (0..20).filter_map(|_| connections.admit(from(1))).collect();
        crowd.retain(|place| !place.end.is_cancelled());
        assert_eq!((crowd.len(), connections.count().0), (6, 6));
        let working: Vec<Handled> = crowd.iter().map(|place| place.activity.handle()).collect();
        assert!(connections.admit(from(1)).is_none(), "all of its own are at work");
        assert!(connections.admit(from(2)).is_some() && connections.admit(from(3)).is_some());
        drop((crowd, working));
        assert_eq!(connections.count(), (0, 0));
    }

    #[test]
    fn a_newcomer_has_a_place_while_anybody_has_an_idle_one() {
        let connections = Connections::new(8);
        let busiest: Vec<Place> = (0..5).map(|_| connections.admit(from(1)).unwrap()).collect();
        let _working: Vec<Handled> = busiest.iter().map(|place| place.activity.handle()).collect();
        let others: Vec<Place> = (2..5).map(|last| connections.admit(from(last)).unwrap()).collect();
        let _newcomer = connections.admit(from(9)).unwrap();
        let ended = || others.iter().filter(|place| place.end.is_cancelled()).count();
        assert_eq!(ended(), 1);
        let _asked: Vec<Handled> = others.iter().map(|place| place.activity.handle()).collect();
        let next = connections.admit(from(10)).unwrap();
        assert_eq!(ended(), 1, "the newcomer had asked nothing yet");
        let _asked_too = next.activity.handle();
        assert!(connections.admit(from(11)).is_none(), "all are at work");
    }

    #[test]
    fn a_websocket_has_a_place_and_never_makes_room() {
        let connections = Connections::new(4);
        let sockets: Vec<Place> = (0..3).map(|_| connections.admit(from(1)).unwrap()).collect();
        sockets.iter().for_each(|place| place.activity.upgrade());
        let idle = connections.admit(from(2)).unwrap();
        let _newcomer = connections.admit(from(3)).unwrap();
        assert!(idle.end.is_cancelled());
        assert!(sockets.iter().all(|place| !place.end.is_cancelled()));
        assert!(connections.admit(from(1)).is_none());
    }

    #[tokio::test]
    async fn those_that_were_told_to_end_are_counted_until_they_are_gone() {
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
