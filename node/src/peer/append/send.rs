//! The leader's end of replication: takes requests as openraft makes them, sends them without waiting for answers, and
//! returns the answers in order. It runs inside openraft's own task for the follower.

use super::{AppendReply, SessionNumber};
use crate::peer::{
    error::Cause,
    frame::{FrameError, Frames, read},
    greet::Connected,
    limits::{APPEND_BYTES_IN_FLIGHT, APPEND_IN_FLIGHT, APPEND_STALL},
};
use bytes::BytesMut;
use futures::{FutureExt, Stream, StreamExt};
use nexus_raft_store::TypeConfig;
use openraft::{
    errors::RPCError,
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

type Request = AppendEntriesRequest<TypeConfig>;

/// A connection to a follower that may have served other sessions before.
pub(in crate::peer) struct AppendConnection {
    frames: Frames,
    session: SessionNumber,
    /// Ready when another connection should take the place of this one.
    outdated: Pin<Box<WaitForCancellationFutureOwned>>,
    is_outdated: bool,
}

impl AppendConnection {
    /// A fresh connection.
    pub(in crate::peer) fn new(connected: Connected) -> Self {
        let outdated = Box::pin(connected.outdated.cancelled_owned());
        Self { frames: connected.frames, session: 0, outdated, is_outdated: false }
    }

    /// Whether another connection should take the place of this one. The task is woken when that changes.
    fn poll_outdated(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_outdated = self.is_outdated || self.outdated.as_mut().poll(cx).is_ready();
        self.is_outdated
    }

    /// Whether the connection can be reused. Reads leftover answers of earlier sessions, without waiting.
    pub(in crate::peer) fn is_alive(&mut self) -> bool {
        if self.is_outdated || self.outdated.as_mut().now_or_never().is_some() {
            return false;
        }
        loop {
            match self.frames.next().now_or_never() {
                None => return true,
                Some(Ok(_stale)) => {}
                Some(Err(_)) => return false,
            }
        }
    }
}

/// One session: a stream of answers that pulls the requests.
pub(in crate::peer) struct AppendStream<'c, S> {
    /// Set to none when it fails, so that the next session dials.
    connection: &'c mut Option<AppendConnection>,
    /// The stream of requests; `None` after its end.
    input: Option<S>,
    /// The remaining parts of a request that had to be split.
    split: VecDeque<Request>,
    /// Bytes of each request that has no answer yet.
    in_flight: VecDeque<usize>,
    bytes_in_flight: usize,
    /// When the follower last answered, or the first unanswered request was sent.
    progress_at: Instant,
    stall_after: Duration,
    stall: Pin<Box<Sleep>>,
    is_over: bool,
}

impl<'c, S> AppendStream<'c, S>
where
    S: Stream<Item = Request> + Unpin,
{
    /// A session over `connection`, which must be there. `ttl` may lengthen the time after which a
    /// silent follower counts as stalled.
    pub(in crate::peer) fn new(
        connection: &'c mut Option<AppendConnection>,
        input: S,
        ttl: Duration,
    ) -> Self {
        if let Some(connection) = connection {
            connection.session += 1;
        }
        let stall_after = ttl.max(APPEND_STALL);
        Self {
            connection,
            input: Some(input),
            split: VecDeque::new(),
            in_flight: VecDeque::with_capacity(APPEND_IN_FLIGHT),
            bytes_in_flight: 0,
            progress_at: Instant::now(),
            stall_after,
            stall: Box::pin(sleep(stall_after)),
            is_over: false,
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() < APPEND_IN_FLIGHT && self.bytes_in_flight < APPEND_BYTES_IN_FLIGHT
    }

    /// Puts as many requests as there are and as may be in flight into the write buffer.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        while self.has_room() {
            let Some(connection) = self.connection else { return Err(Cause::Closed) };
            // The parts of a request that was split go together, whatever happens.
            if connection.frames.is_full() || (connection.poll_outdated(cx) && self.split.is_empty()) {
                break;
            }
            let request = match (self.split.pop_front(), &mut self.input) {
                (Some(request), _) => request,
                (None, None) => break,
                (None, Some(input)) => match input.poll_next_unpin(cx) {
                    Poll::Ready(Some(request)) => request,
                    Poll::Ready(None) => {
                        self.input = None;
                        break;
                    }
                    Poll::Pending => break,
                },
            };
            match connection.frames.push(&(connection.session, &request)) {
                Ok(bytes) => self.has_sent(bytes),
                Err(FrameError::TooLarge) => self.split(request)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn has_sent(&mut self, bytes: usize) {
        if self.in_flight.is_empty() {
            self.progress_at = Instant::now();
        }
        self.in_flight.push_back(bytes);
        self.bytes_in_flight += bytes;
    }

    /// Halves a request that does not fit into a frame. The follower's answer to the first half is what
    /// Raft calls a partial success.
    fn split(&mut self, mut request: Request) -> Result<(), Cause> {
        let half = request.entries.len() / 2;
        if half == 0 {
            // No follower can ever get this entry; only a smaller limit on proposals prevents it.
            tracing::error!(prev_log_id = ?request.prev_log_id, "a log entry does not fit into a frame");
            return Err(Cause::Unsendable(Arc::new(FrameError::TooLarge)));
        }
        let entries = request.entries.split_off(half);
        let prev_log_id = request.entries.last().map(|entry| entry.log_id);
        let rest = Request { vote: request.vote, prev_log_id, entries, leader_commit: request.leader_commit };
        self.split.push_front(rest);
        self.split.push_front(request);
        Ok(())
    }

    /// Waits for the next answer of this session, sending meanwhile.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<StreamAppendResult<TypeConfig>, Cause>> {
        loop {
            let Some(connection) = self.connection else { return Poll::Ready(Err(Cause::Closed)) };
            let frame = match connection.frames.poll_next(cx) {
                Poll::Ready(frame) => frame?,
                Poll::Pending => return Poll::Pending,
            };
            let reply: AppendReply = read(frame)?;
            if reply.session == connection.session {
                let unasked = || FrameError::Garbled("an answer to nothing".to_owned());
                self.bytes_in_flight -= self.in_flight.pop_front().ok_or_else(unasked)?;
                self.progress_at = Instant::now();
                return Poll::Ready(Ok(reply.result));
            }
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        while !self.in_flight.is_empty() && self.stall.as_mut().poll(cx).is_ready() {
            let due = self.progress_at + self.stall_after;
            if Instant::now() >= due {
                return Err(Cause::Stalled);
            }
            self.stall.as_mut().reset(due);
        }
        Ok(())
    }

    fn poll_result(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<StreamAppendResult<TypeConfig>, Cause>>> {
        loop {
            self.poll_push(cx)?;
            let was_full = self.connection.as_ref().is_some_and(|connection| connection.frames.is_full());
            if let Poll::Ready(answer) = self.poll_answer(cx) {
                return Poll::Ready(Some(answer));
            }
            let is_full = self.connection.as_ref().is_some_and(|connection| connection.frames.is_full());
            if was_full && !is_full {
                continue;
            }
            // openraft goes on with the next entry in another session.
            let is_last =
                self.input.is_none() || self.connection.as_mut().is_some_and(|it| it.poll_outdated(cx));
            if is_last && self.split.is_empty() && self.in_flight.is_empty() {
                return Poll::Ready(None);
            }
            self.poll_stall(cx)?;
            return Poll::Pending;
        }
    }
}

impl<S> Stream for AppendStream<'_, S>
where
    S: Stream<Item = Request> + Unpin,
{
    type Item = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Poll::Ready(result) = self.poll_result(cx) else {
            return Poll::Pending;
        };
        // A refusal of the follower, a failure and the end of the input all end the session.
        self.is_over = !matches!(result, Some(Ok(Ok(_))));
        if let Some(Err(_)) = result {
            *self.connection = None;
        }
        Poll::Ready(result.map(|result| result.map_err(RPCError::from)))
    }
}

/// A request as the follower reads it.
pub(in crate::peer) fn read_request(mut frame: BytesMut) -> Result<(SessionNumber, Request), FrameError> {
    let session = crate::peer::frame::take(&mut frame)?;
    Ok((session, read(frame)?))
}
