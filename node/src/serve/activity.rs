//! Tracks what happens on a client's connection: requests in progress, and answers that the client takes or does not
//! take. Tells when the connection has been idle for too long, or one of its answers has made no progress for too long.

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use nexus_api::ResponseReservation;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// A connection without a request for this long ends, even if its client answers pings.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest piece of an answer that is handed to the connection at once, in bytes.
const PIECE: usize = 64 << 10;
/// A client that takes no [`PIECE`] of an answer for this long is gone, or does not read it. Progress of other answers
/// on the same connection does not count, or one answer could be held for ever.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The activity on one connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Called with whether the connection is idle now, each time that this changes.
    on_idle: Box<dyn Fn(bool) + Send + Sync>,
}

struct State {
    /// Requests that a handler is working on.
    handled: usize,
    /// Answers that are being sent, by number, until the client has taken the last byte.
    answers: BTreeMap<u64, Answer>,
    answered: u64,
    /// Whether it became a WebSocket. It is then never idle, and `nexus_api` ends it.
    is_upgraded: bool,
    /// When a request arrived, or an answer was complete.
    progress_at: Instant,
}

/// An answer that is being sent.
struct Answer {
    /// Whether this node is still making the next piece.
    is_body_pending: bool,
    /// Pieces that the connection has and the client has not taken.
    untaken: usize,
    /// When the fields above last changed.
    progress_at: Instant,
}

impl State {
    fn is_idle(&self) -> bool {
        self.handled == 0 && self.answers.is_empty() && !self.is_upgraded
    }
}

impl Activity {
    /// The activity on a new connection, which is idle. `on_idle` is called with whether it is idle, at each change and
    /// under the lock of the activity.
    pub(crate) fn new(on_idle: impl Fn(bool) + Send + Sync + 'static) -> Self {
        let (answers, progress_at) = (BTreeMap::new(), Instant::now());
        let state = State { handled: 0, answers, answered: 0, is_upgraded: false, progress_at };
        Self(Arc::new(Inner { state: Mutex::new(state), on_idle: Box::new(on_idle) }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state();
        let was_idle = state.is_idle();
        let changed = change(&mut state, Instant::now());
        if state.is_idle() != was_idle {
            // Under the lock, so that both tables see the changes in the same order.
            (self.0.on_idle)(!was_idle);
        }
        changed
    }

    fn change_answer(&self, id: u64, change: impl FnOnce(&mut Answer)) {
        self.change(|state, now| {
            if let Some(answer) = state.answers.get_mut(&id) {
                change(answer);
                answer.progress_at = now;
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests whose answer is not complete.
    pub(crate) fn requests(&self) -> usize {
        let state = self.state();
        state.handled + state.answers.len()
    }

    /// When the connection times out if nothing happens from now on; none while this node has work to do for it.
    fn times_out_at(&self) -> Option<Instant> {
        let state = self.state();
        let waiting = state.answers.values().filter(|answer| answer.untaken > 0 || !answer.is_body_pending);
        match waiting.map(|answer| answer.progress_at).min() {
            Some(longest) => Some(longest + STALL_TIMEOUT),
            None => state.is_idle().then_some(state.progress_at + IDLE_TIMEOUT),
        }
    }

    /// Waits until the connection, or one of its answers, times out.
    pub(crate) async fn timed_out(&self) {
        loop {
            let now = Instant::now();
            match self.times_out_at() {
                Some(end) if end <= now => return,
                Some(end) => tokio::time::sleep_until(end).await,
                // Polled, so that no request has to wake this task.
                None => tokio::time::sleep(STALL_TIMEOUT).await,
            }
        }
    }

    /// Counts a request as being handled.
    pub(crate) fn begin_request(&self) -> OpenRequest {
        self.change(|state, now| {
            state.handled += 1;
            state.progress_at = now;
        });
        OpenRequest(self.clone())
    }

    /// Marks the connection as a WebSocket.
    pub(crate) fn upgrade(&self) {
        self.change(|state, _| state.is_upgraded = true);
    }
}

/// A request that is being handled, until this is dropped.
pub(crate) struct OpenRequest(Activity);

impl OpenRequest {
    /// The body of its answer, which is sent from now on. It holds its reservation of memory until the client has taken
    /// it.
    pub(crate) fn answer(self, body: Body, reservation: Option<ResponseReservation>) -> TrackedBody {
        let id = self.0.change(|state, now| {
            state.answered += 1;
            state
                .answers
                .insert(state.answered, Answer { is_body_pending: true, untaken: 0, progress_at: now });
            state.answered
        });
        let untaken = UntakenAnswer { activity: self.0.clone(), id, _reservation: reservation };
        TrackedBody { body, left: Bytes::new(), untaken: Arc::new(untaken), is_body_pending: true }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.change(|state, now| {
            state.handled -= 1;
            state.progress_at = now;
        });
    }
}

/// An answer that the client has not taken completely, until this is dropped.
struct UntakenAnswer {
    activity: Activity,
    id: u64,
    _reservation: Option<ResponseReservation>,
}

impl Drop for UntakenAnswer {
    fn drop(&mut self) {
        self.activity.change(|state, now| {
            state.answers.remove(&self.id);
            state.progress_at = now;
        });
    }
}

/// Bytes that the connection holds. It drops them once they are written to its socket.
struct Piece {
    bytes: Bytes,
    of: Arc<UntakenAnswer>,
}

impl Piece {
    fn tracked(bytes: Bytes, of: &Arc<UntakenAnswer>) -> Bytes {
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

/// The body of an answer, which tracks whether its client takes it.
///
/// It passes a long text on in pieces, without copying it. h2 drops a body once it has the last piece, and keeps that
/// piece until the client has room for it. So the pieces themselves hold the reservation of the answer.
pub(crate) struct TrackedBody {
    body: Body,
    /// Bytes that the body has produced and that are not passed on yet.
    left: Bytes,
    untaken: Arc<UntakenAnswer>,
    /// Whether this node is still making the next piece.
    is_body_pending: bool,
}

impl TrackedBody {
    fn next_piece(&mut self) -> Frame<Bytes> {
        let piece = self.left.split_to(self.left.len().min(PIECE));
        Frame::data(Piece::tracked(piece, &self.untaken))
    }
}

impl HttpBody for TrackedBody {
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
        if self.is_body_pending != polled.is_pending() {
            self.is_body_pending = polled.is_pending();
            self.untaken
                .activity
                .change_answer(self.untaken.id, |answer| answer.is_body_pending = polled.is_pending());
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
    use crate::serve::connections::{ConnectionPermit, Connections};
    use std::net::{IpAddr, Ipv4Addr};

    fn permit() -> ConnectionPermit {
        Connections::new(8).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap()
    }

    async fn next(sent: &mut TrackedBody) -> Bytes {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *sent).poll_frame(cx)).await;
        frame.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn a_long_answer_is_passed_on_in_pieces_and_not_copied() {
        let text = Bytes::from(vec![7; 2 * PIECE + 1]);
        let mut sent = permit().activity.begin_request().answer(Body::from(text.clone()), None);
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
        let permit = permit();
        let mut sent = permit.activity.begin_request().answer(Body::from("text"), None);
        let untaken = Arc::downgrade(&sent.untaken);
        let piece = next(&mut sent).await;
        assert!(sent.is_end_stream());
        drop(sent);
        assert!(untaken.upgrade().is_some(), "its reservation is held: the connection has its last piece");
        assert_eq!(permit.activity.requests(), 1);
        drop(piece);
        assert!(untaken.upgrade().is_none());
        assert_eq!(permit.activity.requests(), 0);
    }

    #[tokio::test]
    async fn a_connection_times_out_when_its_client_asks_nothing_or_takes_nothing() {
        let permit = permit();
        let activity = &permit.activity;
        let progress = || activity.state().progress_at;
        assert_eq!(activity.times_out_at(), Some(progress() + IDLE_TIMEOUT));
        let working = activity.begin_request();
        assert_eq!(activity.times_out_at(), None, "a long poll may take its time");
        let mut sent = working.answer(Body::from("text"), None);
        assert_eq!(activity.times_out_at(), None, "it is this node's turn");
        let piece = next(&mut sent).await;
        let handed_on = activity.state().answers.values().next().unwrap().progress_at;
        assert_eq!(activity.times_out_at(), Some(handed_on + STALL_TIMEOUT), "nobody takes it");
        drop((sent, piece));
        assert_eq!(activity.times_out_at(), Some(progress() + IDLE_TIMEOUT));
        // Pings are no requests: nothing but one moves the end.
        let end = activity.times_out_at();
        assert_eq!(activity.times_out_at(), end);
        activity.upgrade();
        assert_eq!(activity.times_out_at(), None, "nexus_api ends a WebSocket");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_ends_its_connection_whatever_else_is_asked_on_it() {
        let permit = permit();
        let activity = &permit.activity;
        let mut stalled = activity.begin_request().answer(Body::from("text"), None);
        let _piece = next(&mut stalled).await;
        let end = activity.times_out_at();
        assert!(end.is_some());
        for _ in 0..3 {
            let mut other = activity.begin_request().answer(Body::from("text"), None);
            drop(next(&mut other).await);
            drop(other);
            assert_eq!(activity.times_out_at(), end);
        }
        // A piece that was passed on counts, also while the next one is still being made.
        activity.change_answer(stalled.untaken.id, |answer| answer.is_body_pending = true);
        assert!(activity.times_out_at().is_some());
    }
}
