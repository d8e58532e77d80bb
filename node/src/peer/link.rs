//! One control connection: many calls at once, each with a deadline, over one stream that is dialed
//! when there is something to say. A stalled peer costs its callers their deadlines and nobody else
//! anything. Never sends a call twice.

use super::{
    control::{CallNumber, ControlRequest, ControlResponse, Header, Urgency},
    error::{Cause, PeerError},
    frame::{FrameError, Frames, Turn, read, take},
    greet::connect,
    hello::Purpose,
    identity::{LocalIdentity, SharedIdentity},
    limits::{
        CALLS_PER_WRITE, LINK_CHECK, LINK_IDLE, LINK_STALL, REDIAL_FIRST, REDIAL_MOST, SERVICE_TTL_MOST_MS,
    },
    target::PeerTarget,
    wire::Dial,
};
use bytes::BytesMut;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};

type Answer = Result<ControlResponse, PeerError>;

/// The callers' end of a control connection. Clones are the same connection.
#[derive(Clone)]
pub(super) struct Link {
    /// By urgency.
    lanes: [Lane; 3],
}

/// Calls of one urgency.
#[derive(Clone)]
struct Lane {
    /// As deep as there are permits, so that whoever holds a permit never waits here.
    calls: mpsc::Sender<Call>,
    permits: Arc<Semaphore>,
}

impl Lane {
    fn new(urgency: Urgency) -> (Self, mpsc::Receiver<Call>) {
        let in_flight = urgency.in_flight();
        let (calls, queue) = mpsc::channel(in_flight);
        (Self { calls, permits: Arc::new(Semaphore::new(in_flight)) }, queue)
    }
}

/// A call on its way.
struct Call {
    request: ControlRequest,
    deadline: Instant,
    fate: Arc<Fate>,
    answer: oneshot::Sender<Answer>,
    /// Held until the call is answered or forgotten: this bounds what is in flight.
    permit: OwnedSemaphorePermit,
}

impl Call {
    fn fail(self, error: PeerError) {
        // Nobody waits any more: nobody to tell.
        let _ = self.answer.send(Err(error));
    }
}

/// Either the connection takes a call for writing or its caller gives it up, whoever is first: that is
/// how a caller knows for certain that a call was not sent.
#[derive(Default)]
struct Fate(AtomicBool);

impl Fate {
    fn seal(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Link {
    /// A connection to `target`, not dialed yet. Its task ends when it was idle for long, or when all
    /// clones are gone.
    pub(super) fn new(target: PeerTarget, dial: Arc<dyn Dial>, identity: SharedIdentity) -> Self {
        let [(raft, raft_queue), (heartbeats, heartbeats_queue), (service, service_queue)] =
            Urgency::ALL.map(Lane::new);
        let queue = Queue { raft: raft_queue, heartbeats: heartbeats_queue, service: service_queue };
        tokio::spawn(Connection { target, dial, identity, queue }.run());
        Self { lanes: [raft, heartbeats, service] }
    }

    /// Whether its task has ended, and another one is needed.
    pub(super) fn is_closed(&self) -> bool {
        self.lanes[0].calls.is_closed()
    }

    /// Sends a request and waits for the answer until `deadline`.
    pub(super) async fn call(&self, request: ControlRequest, deadline: Instant) -> Answer {
        let lane = &self.lanes[request.urgency() as usize];
        let permit = match timeout_at(deadline, Arc::clone(&lane.permits).acquire_owned()).await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => return Err(PeerError::NotSent(Cause::Busy)),
        };
        let (answer, answered) = oneshot::channel();
        let fate = Arc::new(Fate::default());
        let call = Call { request, deadline, fate: Arc::clone(&fate), answer, permit };
        if lane.calls.try_send(call).is_err() {
            return Err(PeerError::NotSent(Cause::Closed));
        }
        let cause = match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => Cause::Closed,
            Err(_) => Cause::Deadline,
        };
        if fate.seal() { Err(PeerError::NotSent(cause)) } else { Err(PeerError::Unknown(cause)) }
    }
}

/// The calls that wait to be written.
struct Queue {
    raft: mpsc::Receiver<Call>,
    heartbeats: mpsc::Receiver<Call>,
    service: mpsc::Receiver<Call>,
}

impl Queue {
    /// The most urgent call; none when there are no callers left. Safe to cancel.
    async fn next(&mut self) -> Option<Call> {
        select! {
            biased;
            Some(call) = self.raft.recv() => Some(call),
            Some(call) = self.heartbeats.recv() => Some(call),
            Some(call) = self.service.recv() => Some(call),
            else => None,
        }
    }

    fn try_next(&mut self) -> Option<Call> {
        let next = self.raft.try_recv().or_else(|_| self.heartbeats.try_recv());
        next.or_else(|_| self.service.try_recv()).ok()
    }

    fn close(&mut self) {
        self.raft.close();
        self.heartbeats.close();
        self.service.close();
    }

    fn fail_all(&mut self, cause: &Cause) {
        while let Some(call) = self.try_next() {
            call.fail(PeerError::NotSent(cause.clone()));
        }
    }
}

/// The task behind a [`Link`].
struct Connection {
    target: PeerTarget,
    dial: Arc<dyn Dial>,
    identity: SharedIdentity,
    queue: Queue,
}

impl Connection {
    async fn run(mut self) {
        let mut redial = Redial::default();
        loop {
            let Ok(first) = timeout(LINK_IDLE, self.queue.next()).await else {
                break;
            };
            let Some(first) = first else {
                return;
            };
            if let Some(cause) = redial.is_too_early() {
                first.fail(PeerError::NotSent(cause));
                continue;
            }
            let local = self.identity.borrow_and_update().clone();
            let PeerTarget { addr, expected } = &self.target;
            match connect(&*self.dial, addr, &local, Purpose::Control, *expected).await {
                Ok((frames, _welcome)) => {
                    redial = Redial::default();
                    self.converse(frames, first, &local).await;
                }
                Err(cause) => {
                    tracing::debug!(peer = %self.target, %cause, "control connection failed");
                    first.fail(PeerError::NotSent(cause.clone()));
                    self.queue.fail_all(&cause);
                    redial.has_failed(cause);
                }
            }
        }
        // A call that slipped in after the last look was not sent; the next one gets another link.
        self.queue.close();
        self.queue.fail_all(&Cause::Closed);
    }

    /// Carries calls until the connection ends, then fails those that were written.
    async fn converse(&mut self, mut frames: Frames, first: Call, local: &LocalIdentity) {
        let mut talk = Talk::default();
        let ended = match talk.write(&mut frames, first) {
            Ok(()) => self.exchange(&mut frames, &mut talk, local).await,
            Err(error) => Some(error.into()),
        };
        let Some(cause) = ended else {
            return;
        };
        tracing::debug!(peer = %self.target, %cause, "control connection ended");
        for (_, waiting) in talk.waiting.drain() {
            let _ = waiting.answer.send(Err(PeerError::Unknown(cause.clone())));
        }
    }

    /// The conversation itself; none when it ended in peace, with nothing in flight.
    async fn exchange(
        &mut self,
        frames: &mut Frames,
        talk: &mut Talk,
        local: &LocalIdentity,
    ) -> Option<Cause> {
        let mut check = interval(LINK_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut used_at = Instant::now();
        // After this node has got its id it must introduce itself anew.
        let mut is_outdated = false;
        loop {
            let takes_calls = !frames.is_full() && !is_outdated;
            select! {
                turn = frames.turn(true) => match turn {
                    Ok(Turn::Frame(frame)) => if let Err(error) = talk.hear(frame) {
                        return Some(error.into());
                    },
                    Ok(Turn::Room) => {}
                    Err(error) => return Some(error.into()),
                },
                call = self.queue.next(), if takes_calls => {
                    used_at = Instant::now();
                    let mut next = Some(call?);
                    for _ in 0..CALLS_PER_WRITE {
                        let Some(call) = next else { break };
                        if let Err(error) = talk.write(frames, call) {
                            return Some(error.into());
                        }
                        next = if frames.is_full() { None } else { self.queue.try_next() };
                    }
                    if let Some(call) = next && let Err(error) = talk.write(frames, call) {
                        return Some(error.into());
                    }
                }
                _ = check.tick() => {
                    if let Err(cause) = talk.check(frames) {
                        return Some(cause);
                    }
                    let now = self.identity.borrow();
                    is_outdated = (now.cluster, now.node) != (local.cluster, local.node);
                    if talk.waiting.is_empty() && (is_outdated || used_at.elapsed() >= LINK_IDLE) {
                        return None;
                    }
                }
            }
        }
    }
}

/// A call that was written.
struct Waiting {
    answer: oneshot::Sender<Answer>,
    _permit: OwnedSemaphorePermit,
}

/// What is known of the conversation over one connection.
struct Talk {
    waiting: HashMap<CallNumber, Waiting>,
    last_call: CallNumber,
    /// When the peer last said something, or was first owed to.
    heard_at: Instant,
    is_pinged: bool,
}

impl Default for Talk {
    fn default() -> Self {
        Self { waiting: HashMap::new(), last_call: 0, heard_at: Instant::now(), is_pinged: false }
    }
}

impl Talk {
    /// Writes a call, unless its caller has given up. An error ends the connection.
    fn write(&mut self, frames: &mut Frames, call: Call) -> Result<(), FrameError> {
        if call.answer.is_closed() || !call.fate.seal() {
            return Ok(());
        }
        let left = call.deadline.saturating_duration_since(Instant::now());
        let ttl_ms =
            u32::try_from(left.as_millis()).map_or(SERVICE_TTL_MOST_MS, |ms| ms.min(SERVICE_TTL_MOST_MS));
        self.last_call += 1;
        match frames.push(&(Header { call: self.last_call, ttl_ms }, &call.request)) {
            Ok(_) => {}
            Err(error @ (FrameError::TooLarge | FrameError::Garbled(_))) => {
                call.fail(PeerError::NotSent(Cause::Unsendable(Arc::new(error))));
                return Ok(());
            }
            Err(error) => {
                call.fail(PeerError::NotSent(Cause::Closed));
                return Err(error);
            }
        }
        if self.waiting.is_empty() {
            self.heard_at = Instant::now();
        }
        self.waiting.insert(self.last_call, Waiting { answer: call.answer, _permit: call.permit });
        Ok(())
    }

    /// Hands an answer to whoever waits for it.
    fn hear(&mut self, mut frame: BytesMut) -> Result<(), FrameError> {
        let call: CallNumber = take(&mut frame)?;
        self.heard_at = Instant::now();
        self.is_pinged = false;
        // Pings, and calls whose caller was forgotten, are nobody's.
        let Some(waiting) = self.waiting.remove(&call) else {
            return Ok(());
        };
        let answer = match read(frame) {
            Ok(ControlResponse::Refused(refusal)) => Err(PeerError::NotSent(refusal.into())),
            Ok(ControlResponse::Failed(reason)) => Err(PeerError::Unknown(Cause::Failed(reason))),
            Ok(response) => Ok(response),
            Err(error) => Err(PeerError::Unknown(error.into())),
        };
        let _ = waiting.answer.send(answer);
        Ok(())
    }

    /// Forgets callers who have gone, and finds out whether the peer is still alive.
    fn check(&mut self, frames: &mut Frames) -> Result<(), Cause> {
        let is_owed = self.is_pinged || !self.waiting.is_empty();
        self.waiting.retain(|_, waiting| !waiting.answer.is_closed());
        let silence = self.heard_at.elapsed();
        if !is_owed || silence < LINK_CHECK {
            return Ok(());
        }
        if silence >= LINK_STALL {
            return Err(Cause::Stalled);
        }
        if !self.is_pinged && !frames.is_full() {
            self.last_call += 1;
            frames.push(&(Header { call: self.last_call, ttl_ms: 0 }, &ControlRequest::Ping))?;
            self.is_pinged = true;
        }
        Ok(())
    }
}

/// Pauses between dials, doubling from failure to failure.
#[derive(Default)]
struct Redial {
    failed: Option<(Arc<Cause>, Instant)>,
    pause: Duration,
}

impl Redial {
    fn has_failed(&mut self, cause: Cause) {
        self.pause = (self.pause * 2).clamp(REDIAL_FIRST, REDIAL_MOST);
        self.failed = Some((Arc::new(cause), Instant::now() + self.pause));
    }

    fn is_too_early(&self) -> Option<Cause> {
        let (cause, until) = self.failed.as_ref()?;
        (Instant::now() < *until).then(|| Cause::BackingOff(Arc::clone(cause)))
    }
}
