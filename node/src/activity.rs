//! What happens on a connection of a client: requests that are answered, and answers that are taken or not. Says since
//! when nothing happens, for the connection and for each answer on it.

use crate::connections::Connections;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use nexus_api::AnswerRoom;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// A connection on which no request was for so long ends, however often its client answers pings.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are handed on at once.
const PIECE: usize = 64 << 10;
/// A client that takes no [`PIECE`] of an answer for so long is gone, or does not want it. Other answers on the same
/// connection do not count for it: that is how one would be kept for ever.
const NOT_TAKEN: Duration = Duration::from_secs(30);

/// What happens on a connection. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Where it is known whether it is idle, and under which number.
    connections: Connections,
    id: u64,
}

struct State {
    /// Requests that a handler works on.
    handled: usize,
    /// Answers that are being sent, until the last byte of each is taken.
    answers: BTreeMap<u64, Answer>,
    answered: u64,
    /// Whether it became a WebSocket: it is at work as long as it is there, and others see to its end.
    is_upgraded: bool,
    /// When a request came or an answer was gone.
    moved_at: Instant,
}

/// An answer that is being sent.
struct Answer {
    /// Whether its next piece is still being made.
    is_made: bool,
    /// Pieces that are handed on and not taken.
    untaken: usize,
    /// When any of that changed.
    moved_at: Instant,
}

impl State {
    fn is_idle(&self) -> bool {
        self.handled == 0 && self.answers.is_empty() && !self.is_upgraded
    }
}

impl Activity {
    pub(crate) fn new(connections: Connections, id: u64) -> Self {
        let (answers, moved_at) = (BTreeMap::new(), Instant::now());
        let state = State { handled: 0, answers, answered: 0, is_upgraded: false, moved_at };
        Self(Arc::new(Inner { state: Mutex::new(state), connections, id }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state();
        let was_idle = state.is_idle();
        let changed = change(&mut state, Instant::now());
        if state.is_idle() != was_idle {
            // Under the lock, so that the last change is the last one there too.
            self.0.connections.set_idle(self.0.id, !was_idle);
        }
        changed
    }

    fn change_answer(&self, id: u64, change: impl FnOnce(&mut Answer)) {
        self.change(|state, now| {
            if let Some(answer) = state.answers.get_mut(&id) {
                change(answer);
                answer.moved_at = now;
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that are not answered to the end.
    pub(crate) fn requests(&self) -> usize {
        let state = self.state();
        state.handled + state.answers.len()
    }

    /// When it is over, if nothing happens on it from now on; none while this node has something to do for it.
    fn ends_at(&self) -> Option<Instant> {
        let state = self.state();
        let waiting = state.answers.values().filter(|answer| answer.untaken > 0 || !answer.is_made);
        match waiting.map(|answer| answer.moved_at).min() {
            Some(longest) => Some(longest + NOT_TAKEN),
            None => state.is_idle().then_some(state.moved_at + IDLE),
        }
    }

    /// Waits until nothing has happened on it for too long, or on one of its answers.
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
        self.change(|state, now| {
            state.handled += 1;
            state.moved_at = now;
        });
        Handled(self.clone())
    }

    /// It becomes a WebSocket.
    pub(crate) fn upgrade(&self) {
        self.change(|state, _| state.is_upgraded = true);
    }
}

/// A request that a handler works on, until it is dropped.
pub(crate) struct Handled(Activity);

impl Handled {
    /// Its answer, which is now being sent. It has its room in memory until it is taken.
    pub(crate) fn answer(self, body: Body, room: Option<AnswerRoom>) -> Sent {
        let id = self.0.change(|state, now| {
            state.answered += 1;
            state.answers.insert(state.answered, Answer { is_made: true, untaken: 0, moved_at: now });
            state.answered
        });
        let untaken = Untaken { activity: self.0.clone(), id, _room: room };
        Sent { body, left: Bytes::new(), untaken: Arc::new(untaken), is_made: true }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.change(|state, now| {
            state.handled -= 1;
            state.moved_at = now;
        });
    }
}

/// An answer of which something is not taken, until it is dropped.
struct Untaken {
    activity: Activity,
    id: u64,
    _room: Option<AnswerRoom>,
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.activity.change(|state, now| {
            state.answers.remove(&self.id);
            state.moved_at = now;
        });
    }
}

/// Bytes that are handed on. The connection drops them once they are written to its socket.
struct Piece {
    bytes: Bytes,
    of: Arc<Untaken>,
}

impl Piece {
    fn hand_on(bytes: Bytes, of: &Arc<Untaken>) -> Bytes {
        of.activity.change_answer(of.id, |answer| answer.untaken += 1);
        Bytes::from_owner(Self { bytes, of: of.clone() })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.of.activity.change_answer(self.of.id, |answer| answer.untaken -= 1);
    }
}

/// The body of an answer, which notes whether its client takes it.
///
/// Hands on a long text in pieces, without copying it. HTTP/2 drops a body once its last piece is handed on, and keeps the
/// piece until its client has room for it: so the pieces themselves hold the answer's room.
pub(crate) struct Sent {
    body: Body,
    /// What the body has given and is not handed on yet.
    left: Bytes,
    untaken: Arc<Untaken>,
    /// Whether its next piece is still being made.
    is_made: bool,
}

impl Sent {
    fn next_piece(&mut self) -> Frame<Bytes> {
        let piece = self.left.split_to(self.left.len().min(PIECE));
        Frame::data(Piece::hand_on(piece, &self.untaken))
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
            return Poll::Ready(Some(Ok(self.next_piece())));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if self.is_made != polled.is_pending() {
            self.is_made = polled.is_pending();
            self.untaken
                .activity
                .change_answer(self.untaken.id, |answer| answer.is_made = polled.is_pending());
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) if data.is_empty() => Frame::data(data),
                Ok(data) => {
                    self.left = data;
                    self.next_piece()
                }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::connections::Place;
    use std::net::{IpAddr, Ipv4Addr};

    fn place() -> Place {
        Connections::new(8).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap()
    }

    async fn next(sent: &mut Sent) -> Bytes {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *sent).poll_frame(cx)).await;
        frame.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn a_long_answer_is_handed_on_in_pieces_and_not_copied() {
        let text = Bytes::from(vec![7; 2 * PIECE + 1]);
        let mut sent = place().activity.handle().answer(Body::from(text.clone()), None);
        let mut taken = Vec::new();
        for left in [text.len(), PIECE + 1, 1] {
            assert_eq!(sent.size_hint().exact(), Some(left as u64));
            assert!(!sent.is_end_stream());
            let piece = next(&mut sent).await;
            assert!(piece.len() <= PIECE);
            assert_eq!(piece.as_ptr(), text[taken.len()..].as_ptr(), "it is the same memory");
            taken.extend_from_slice(&piece);
        }
        assert!(sent.is_end_stream());
        assert_eq!(taken, text);
    }

    #[tokio::test]
    async fn an_answer_is_there_until_its_last_piece_is_taken() {
        let place = place();
        let mut sent = place.activity.handle().answer(Body::from("text"), None);
        let untaken = Arc::downgrade(&sent.untaken);
        let piece = next(&mut sent).await;
        assert!(sent.is_end_stream());
        drop(sent);
        assert!(untaken.upgrade().is_some(), "its room is held: the connection has its last piece");
        assert_eq!(place.activity.requests(), 1);
        drop(piece);
        assert!(untaken.upgrade().is_none());
        assert_eq!(place.activity.requests(), 0);
    }

    #[tokio::test]
    async fn a_connection_is_over_when_its_client_asks_nothing_or_takes_nothing() {
        let place = place();
        let activity = &place.activity;
        let moved = || activity.state().moved_at;
        assert_eq!(activity.ends_at(), Some(moved() + IDLE));
        let working = activity.handle();
        assert_eq!(activity.ends_at(), None, "a long poll may take its time");
        let mut sent = working.answer(Body::from("text"), None);
        assert_eq!(activity.ends_at(), None, "it is this node's turn");
        let piece = next(&mut sent).await;
        let handed_on = activity.state().answers.values().next().unwrap().moved_at;
        assert_eq!(activity.ends_at(), Some(handed_on + NOT_TAKEN), "nobody takes it");
        drop((sent, piece));
        assert_eq!(activity.ends_at(), Some(moved() + IDLE));
        // Pings are no requests: nothing but one moves the end.
        let end = activity.ends_at();
        assert_eq!(activity.ends_at(), end);
        activity.upgrade();
        assert_eq!(activity.ends_at(), None, "others see to the end of a WebSocket");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_ends_its_connection_whatever_else_is_asked_on_it() {
        let place = place();
        let activity = &place.activity;
        let mut stalled = activity.handle().answer(Body::from("text"), None);
        let _piece = next(&mut stalled).await;
        let end = activity.ends_at();
        assert!(end.is_some());
        for _ in 0..3 {
            let mut other = activity.handle().answer(Body::from("text"), None);
            drop(next(&mut other).await);
            drop(other);
            assert_eq!(activity.ends_at(), end);
        }
        // A piece that was handed on is what counts, also when the next one is still being made.
        activity.change_answer(stalled.untaken.id, |answer| answer.is_made = true);
        assert!(activity.ends_at().is_some());
    }
}
