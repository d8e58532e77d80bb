//! The connections of clients: how many there may be, and which of them ends to make room, or because nothing happens
//! on it. Counts and decides; `http` does the talking.
//!
//! An idle connection is worth nothing to its client but the time to make another one, so it makes room for whoever
//! comes. One with a request on it stays until its client stops taking the answer.

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use nexus_api::{AnswerRoom, network};
use std::{
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection on which no request was for so long ends, however often its client answers pings.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are handed on at once. A connection keeps some of these pieces until its client takes them.
const PIECE: usize = 64 << 10;
/// A client that takes nothing of an answer for so long is gone, or does not want it.
const NOT_TAKEN: Duration = Duration::from_secs(30);

/// All connections of one listener. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Connections {
    table: Arc<Mutex<Table>>,
    most: usize,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Open>,
    /// How many each network has.
    of: HashMap<IpAddr, usize>,
    made: u64,
}

struct Open {
    from: IpAddr,
    activity: Activity,
    makes_room: CancellationToken,
}

/// A connection's place, until it is dropped.
pub(crate) struct Place {
    connections: Connections,
    id: u64,
    /// What happens on it.
    pub(crate) activity: Activity,
    /// Told to end, since others need its place.
    pub(crate) makes_room: CancellationToken,
}

impl Connections {
    /// So many at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { table: Arc::default(), most }
    }

    /// Of them, so many from one network: an address that takes all it can leaves some to everybody else.
    const fn most_of_network(&self) -> usize {
        self.most - self.most / 4
    }

    /// A place for a connection from there; where all are taken, that of the connection that was idle for longest. None
    /// when all of them are at work.
    pub(crate) fn admit(&self, from: IpAddr) -> Option<Place> {
        let from = network(from);
        let mut table = self.table();
        let of_network = table.of.get(&from).copied().unwrap_or_default();
        if of_network >= self.most_of_network() {
            table.make_room(from)?;
        } else if table.open.len() >= self.most {
            // Whoever has most gives.
            let busiest = table.of.iter().max_by_key(|(_, count)| **count).map(|(network, _)| *network)?;
            table.make_room(busiest).or_else(|| table.make_room(from))?;
        }
        table.made += 1;
        let (id, activity, makes_room) = (table.made, Activity::default(), CancellationToken::new());
        *table.of.entry(from).or_default() += 1;
        table.open.insert(id, Open { from, activity: activity.clone(), makes_room: makes_room.clone() });
        Some(Place { connections: self.clone(), id, activity, makes_room })
    }

    /// How many are open, and requests on them that are not answered to the end.
    pub(crate) fn count(&self) -> (usize, usize) {
        let table = self.table();
        (table.open.len(), table.open.values().map(|open| open.activity.requests()).sum())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends the connection of a network that was idle for longest.
    fn make_room(&mut self, network: IpAddr) -> Option<()> {
        let of_network = self.open.iter().filter(|(_, open)| open.from == network);
        let idle = of_network.filter_map(|(id, open)| Some((open.activity.idle_since()?, *id)));
        let (_, id) = idle.min()?;
        self.remove(id)?.makes_room.cancel();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(count) = self.of.get_mut(&open.from) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&open.from);
            }
        }
        Some(open)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It may be gone from there already, to make room.
        self.connections.table().remove(self.id);
    }
}

/// What happens on a connection. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

struct State {
    /// Requests that a handler works on.
    handled: usize,
    /// Answers that are being sent.
    sent: usize,
    /// Of them, those that wait for this node and not for the client.
    made: usize,
    /// When any of that changed.
    moved_at: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        let state = State { handled: 0, sent: 0, made: 0, moved_at: Instant::now() };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl Activity {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.moved_at = Instant::now();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> usize {
        let state = self.state();
        state.handled + state.sent
    }

    /// Since when no request is on it; none while one is.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.handled + state.sent == 0).then_some(state.moved_at)
    }

    /// When it is over, if nothing happens on it from now on; none while this node has something to do for it.
    fn ends_at(&self) -> Option<Instant> {
        let state = self.state();
        match (state.handled + state.made, state.sent) {
            (0, 0) => Some(state.moved_at + IDLE),
            (0, _) => Some(state.moved_at + NOT_TAKEN),
            (_, _) => None,
        }
    }

    /// Waits until nothing has happened on it for too long.
    pub(crate) async fn over(&self) {
        loop {
            let now = Instant::now();
            match self.ends_at() {
                Some(end) if end <= now => return,
                Some(end) => tokio::time::sleep_until(end).await,
                // Nobody is kept for longer than needed, and nobody is woken for each request.
                None => tokio::time::sleep(NOT_TAKEN).await,
            }
        }
    }

    /// A request came.
    pub(crate) fn handle(&self) -> Handled {
        self.change(|state| state.handled += 1);
        Handled(self.clone())
    }
}

/// A request that a handler works on, until it is dropped.
pub(crate) struct Handled(Activity);

impl Handled {
    /// Its answer, which is now being sent.
    /// A long one has room in memory until it is sent.
    pub(crate) fn answer(self, body: Body, room: Option<AnswerRoom>) -> Sent {
        self.0.change(|state| {
            state.sent += 1;
            state.made += 1;
        });
        Sent { body, left: Bytes::new(), activity: self.0.clone(), is_made: true, _room: room }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.change(|state| state.handled -= 1);
    }
}

/// The body of an answer, which notes whether its client takes it.
///
/// Hands on a long text in pieces, each a copy: what is handed on is kept by the connection until its client takes it, and
/// this, with its room, is dropped once the last piece is.
pub(crate) struct Sent {
    body: Body,
    /// What the body has given and is not handed on yet.
    left: Bytes,
    activity: Activity,
    /// Whether it waits for this node, and not for the client.
    is_made: bool,
    _room: Option<AnswerRoom>,
}

impl Sent {
    fn next_piece(&mut self) -> Bytes {
        let piece = Bytes::copy_from_slice(&self.left[..self.left.len().min(PIECE)]);
        let _ = self.left.split_to(piece.len());
        // The client took something.
        self.activity.change(|_| {});
        piece
    }

    fn set_made(&mut self, is_made: bool) {
        let was_made = std::mem::replace(&mut self.is_made, is_made);
        self.activity.change(|state| match (was_made, is_made) {
            (false, true) => state.made += 1,
            (true, false) => state.made -= 1,
            (true, true) | (false, false) => {}
        });
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.left.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.next_piece()))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.set_made(polled.is_pending());
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) if data.len() > PIECE => {
                    self.left = data;
                    Frame::data(self.next_piece())
                }
                Ok(data) => Frame::data(data),
                Err(other) => other,
            }))),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, left) = (self.body.size_hint(), self.left.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + left);
        }
        hint.set_lower(hint.lower() + left);
        hint
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.set_made(false);
        self.activity.change(|state| state.sent -= 1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        let ended: Vec<bool> = crowd.iter().map(|place| place.makes_room.is_cancelled()).collect();
        assert_eq!(ended, [false, true, false]);
        assert!(!other.makes_room.is_cancelled() && !newcomer.makes_room.is_cancelled());
        assert_eq!(connections.count(), (4, 1));
        drop(working);
        assert_eq!(connections.count(), (4, 0));
    }

    #[test]
    fn one_address_takes_some_places_from_itself_and_none_from_others() {
        let connections = Connections::new(8);
        let crowd: Vec<Place> = (0..20).filter_map(|_| connections.admit(from(1))).collect();
        assert_eq!(connections.count().0, 6);
        let working: Vec<Handled> = crowd.iter().map(|place| place.activity.handle()).collect();
        assert!(connections.admit(from(1)).is_none(), "all of its own are at work");
        assert!(connections.admit(from(2)).is_some() && connections.admit(from(3)).is_some());
        drop((crowd, working));
        assert_eq!(connections.count(), (0, 0));
    }

    #[tokio::test]
    async fn a_long_answer_is_kept_with_its_room_until_its_last_piece_is_handed_on() {
        let activity = Activity::default();
        let text = Bytes::from(vec![7; 2 * PIECE + 1]);
        let mut sent = activity.handle().answer(Body::from(text.clone()), None);
        let mut taken = Vec::new();
        for left in [text.len(), PIECE + 1, 1] {
            assert_eq!(sent.size_hint().exact(), Some(left as u64));
            assert!(!sent.is_end_stream());
            let frame = std::future::poll_fn(|cx| Pin::new(&mut sent).poll_frame(cx)).await;
            let piece = frame.unwrap().unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            taken.extend_from_slice(&piece);
        }
        assert!(sent.is_end_stream());
        assert_eq!(taken, text);
    }

    #[tokio::test]
    async fn a_connection_is_over_when_its_client_asks_nothing_or_takes_nothing() {
        let activity = Activity::default();
        let moved = |activity: &Activity| activity.state().moved_at;
        assert_eq!(activity.ends_at(), Some(moved(&activity) + IDLE));
        let working = activity.handle();
        assert_eq!(activity.ends_at(), None, "a long poll may take its time");
        let mut sent = working.answer(Body::from("text"), None);
        assert_eq!(activity.ends_at(), None, "it is this node's turn");
        let frame = std::future::poll_fn(|cx| Pin::new(&mut sent).poll_frame(cx)).await;
        assert!(frame.is_some());
        assert_eq!(activity.ends_at(), Some(moved(&activity) + NOT_TAKEN), "nobody asks for more");
        drop(sent);
        assert_eq!(activity.ends_at(), Some(moved(&activity) + IDLE));
        // Pings are no requests: nothing but one moves the end.
        let end = activity.ends_at();
        assert_eq!(activity.ends_at(), end);
        assert_eq!(activity.requests(), 0);
    }
}
