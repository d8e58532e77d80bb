//! The calling side of a control connection: many calls at once, each with a deadline, over one stream that is dialed
//! on demand. Calls to a stalled peer run into their deadlines, and delay no others. A call is never sent twice.

use super::{
    control::{CallNumber, ControlRequest, ControlResponse, Header, Urgency},
    error::{Cause, PeerError},
    frame::{FrameError, FrameEvent, Frames, read, take},
    greet::{Connected, connect},
    hello::{Purpose, Refusal},
    identity::{LocalIdentity, SharedIdentity},
    limits::{
        CALLS_PER_WRITE, LINK_CHECK, LINK_IDLE, LINK_REMIND, LINK_STALL, MAX_REDIAL_PAUSE,
        MAX_SERVICE_TTL_MS, MIN_REDIAL_PAUSE,
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

/// The callers' handle of a control connection. Clones share the connection.
#[derive(Clone)]
pub(super) struct Link {
    /// The queues of calls, by urgency.
    queues: [CallQueue; 3],
}

/// Calls of one urgency.
#[derive(Clone)]
struct CallQueue {
    /// Holds as many calls as there are permits, so that a caller with a permit never waits here.
    calls: mpsc::Sender<Call>,
    permits: Arc<Semaphore>,
}

impl CallQueue {
    fn new(urgency: Urgency) -> (Self, mpsc::Receiver<Call>) {
        let in_flight = urgency.in_flight();
        let (calls, queue) = mpsc::channel(in_flight);
        (Self { calls, permits: Arc::new(Semaphore::new(in_flight)) }, queue)
    }
}

/// A call that waits to be sent.
struct Call {
    request: ControlRequest,
    deadline: Instant,
    is_settled: Arc<OnceFlag>,
    answer: oneshot::Sender<Answer>,
    /// Held until the call is answered or dropped, which bounds the calls in flight.
    permit: OwnedSemaphorePermit,
}

impl Call {
    fn fail(self, error: PeerError) {
        // An error means that the caller has stopped waiting.
        let _ = self.answer.send(Err(error));
    }
}

/// A flag that one side alone can set. Whichever is first sets it for a call: the connection when it takes the call for
/// writing, or the caller when it gives up. So a caller knows for certain whether a call was not sent.
#[derive(Default)]
struct OnceFlag(AtomicBool);

impl OnceFlag {
    /// Sets the flag, and returns whether it was unset before.
    fn set(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Link {
    /// A connection to `target`, which is dialed on demand. Its task ends after [`LINK_IDLE`] without a call, or when
    /// all clones are dropped.
    pub(super) fn new(target: PeerTarget, dial: Arc<dyn Dial>, identity: SharedIdentity) -> Self {
        let [(raft, raft_queue), (heartbeats, heartbeats_queue), (service, service_queue)] =
            Urgency::ALL.map(CallQueue::new);
        let queue = CallReceivers { raft: raft_queue, heartbeats: heartbeats_queue, service: service_queue };
        tokio::spawn(LinkTask { target, dial, identity, queue }.run());
        Self { queues: [raft, heartbeats, service] }
    }

    /// Whether the task has ended, so that a new link is needed.
    pub(super) fn is_closed(&self) -> bool {
        self.queues[0].calls.is_closed()
    }

    /// Sends a request and waits for the answer until `deadline`.
    pub(super) async fn call(&self, request: ControlRequest, deadline: Instant) -> Answer {
        let queue = &self.queues[request.urgency() as usize];
        let permit = match timeout_at(deadline, Arc::clone(&queue.permits).acquire_owned()).await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => return Err(PeerError::NotSent(Cause::Busy)),
        };
        let (answer, answered) = oneshot::channel();
        let is_settled = Arc::new(OnceFlag::default());
        let call = Call { request, deadline, is_settled: Arc::clone(&is_settled), answer, permit };
        if queue.calls.try_send(call).is_err() {
            return Err(PeerError::NotSent(Cause::Closed));
        }
        let cause = match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => Cause::Closed,
            Err(_) => Cause::Deadline,
        };
        if is_settled.set() { Err(PeerError::NotSent(cause)) } else { Err(PeerError::Unknown(cause)) }
    }
}

/// The calls that wait to be sent.
struct CallReceivers {
    raft: mpsc::Receiver<Call>,
    heartbeats: mpsc::Receiver<Call>,
    service: mpsc::Receiver<Call>,
}

impl CallReceivers {
    /// The most urgent call; none when all links are dropped. Cancel-safe.
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
struct LinkTask {
    target: PeerTarget,
    dial: Arc<dyn Dial>,
    identity: SharedIdentity,
    queue: CallReceivers,
}

impl LinkTask {
    async fn run(mut self) {
        let mut backoff = DialBackoff::default();
        loop {
            let Ok(first) = timeout(LINK_IDLE, self.queue.next()).await else {
                break;
            };
            let Some(first) = first else {
                return;
            };
            if let Some(cause) = backoff.is_too_early() {
                first.fail(PeerError::NotSent(cause));
                continue;
            }
            let local = self.identity.borrow_and_update().clone();
            let PeerTarget { addr, expected } = &self.target;
            match connect(&*self.dial, addr, &local, Purpose::Control, *expected).await {
                Ok(connected) => {
                    backoff = DialBackoff::default();
                    self.run_connection(connected, first, &local).await;
                }
                Err(cause) => {
                    if backoff.is_for_people(&cause) {
                        tracing::warn!(peer = %self.target, %cause, "cannot talk to another node");
                    }
                    tracing::debug!(peer = %self.target, %cause, "control connection failed");
                    first.fail(PeerError::NotSent(cause.clone()));
                    self.queue.fail_all(&cause);
                    backoff.has_failed(cause);
                }
            }
        }
        // A call that was queued meanwhile was not sent; the next one gets another link.
        self.queue.close();
        self.queue.fail_all(&Cause::Closed);
    }

    /// Sends calls until the connection ends, then fails those that were sent and not answered.
    async fn run_connection(&mut self, mut connected: Connected, first: Call, local: &LocalIdentity) {
        let mut calls = OpenCalls::default();
        let ended = match calls.write(&mut connected.frames, first) {
            Ok(()) => self.exchange(&mut connected, &mut calls, local).await,
            Err(error) => Some(error.into()),
        };
        let Some(cause) = ended else {
            return;
        };
        tracing::debug!(peer = %self.target, %cause, "control connection ended");
        for (_, waiting) in calls.waiting.drain() {
            let _ = waiting.answer.send(Err(PeerError::Unknown(cause.clone())));
        }
    }

    /// Sends calls and receives answers. Returns why the connection failed; none when it is closed with nothing in
    /// flight.
    async fn exchange(
        &mut self,
        Connected { frames, outdated, .. }: &mut Connected,
        calls: &mut OpenCalls,
        local: &LocalIdentity,
    ) -> Option<Cause> {
        let mut check = interval(LINK_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut used_at = Instant::now();
        // Once this node has received its id or new certificates, it needs a connection with a new handshake.
        let mut is_outdated = false;
        loop {
            let takes_calls = !frames.is_full() && !is_outdated;
            select! {
                event = frames.next_event(true) => match event {
                    Ok(FrameEvent::Received(frame)) => {
                        if let Err(error) = calls.receive(frame) {
                            return Some(error.into());
                        }
                        if is_outdated && calls.waiting.is_empty() {
                            return None;
                        }
                    }
                    Ok(FrameEvent::Writable) => {}
                    Err(error) => return Some(error.into()),
                },
                call = self.queue.next(), if takes_calls => {
                    used_at = Instant::now();
                    let mut next = Some(call?);
                    for _ in 0..CALLS_PER_WRITE {
                        let Some(call) = next else { break };
                        if let Err(error) = calls.write(frames, call) {
                            return Some(error.into());
                        }
                        next = if frames.is_full() { None } else { self.queue.try_next() };
                    }
                    if let Some(call) = next && let Err(error) = calls.write(frames, call) {
                        return Some(error.into());
                    }
                }
                () = outdated.cancelled(), if !is_outdated => {
                    is_outdated = true;
                    if calls.waiting.is_empty() {
                        return None;
                    }
                }
                _ = check.tick() => {
                    if let Err(cause) = calls.check(frames) {
                        return Some(cause);
                    }
                    let now = self.identity.borrow();
                    is_outdated =
                        outdated.is_cancelled() || (now.cluster, now.node) != (local.cluster, local.node);
                    if calls.waiting.is_empty() && (is_outdated || used_at.elapsed() >= LINK_IDLE) {
                        return None;
                    }
                }
            }
        }
    }
}

/// A call that was sent.
struct PendingCall {
    answer: oneshot::Sender<Answer>,
    _permit: OwnedSemaphorePermit,
}

/// The calls that were sent over one connection and are not answered.
struct OpenCalls {
    waiting: HashMap<CallNumber, PendingCall>,
    last_call: CallNumber,
    /// When the last answer arrived, or the first unanswered call was sent.
    last_received: Instant,
    is_ping_pending: bool,
}

impl Default for OpenCalls {
    fn default() -> Self {
        Self { waiting: HashMap::new(), last_call: 0, last_received: Instant::now(), is_ping_pending: false }
    }
}

impl OpenCalls {
    /// Sends a call, unless its caller has stopped waiting. An error ends the connection.
    fn write(&mut self, frames: &mut Frames, call: Call) -> Result<(), FrameError> {
        if call.answer.is_closed() || !call.is_settled.set() {
            return Ok(());
        }
        let left = call.deadline.saturating_duration_since(Instant::now());
        let ttl_ms =
            u32::try_from(left.as_millis()).map_or(MAX_SERVICE_TTL_MS, |ms| ms.min(MAX_SERVICE_TTL_MS));
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
            self.last_received = Instant::now();
        }
        self.waiting.insert(self.last_call, PendingCall { answer: call.answer, _permit: call.permit });
        Ok(())
    }

    /// Passes an answer to its caller.
    fn receive(&mut self, mut frame: BytesMut) -> Result<(), FrameError> {
        let call: CallNumber = take(&mut frame)?;
        self.last_received = Instant::now();
        self.is_ping_pending = false;
        // The answer to a ping, or to a call whose caller has stopped waiting, has no receiver.
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

    /// Drops calls whose callers have stopped waiting, and checks with pings that the peer is alive.
    fn check(&mut self, frames: &mut Frames) -> Result<(), Cause> {
        let is_owed = self.is_ping_pending || !self.waiting.is_empty();
        self.waiting.retain(|_, waiting| !waiting.answer.is_closed());
        let silence = self.last_received.elapsed();
        if !is_owed || silence < LINK_CHECK {
            return Ok(());
        }
        if silence >= LINK_STALL {
            return Err(Cause::Stalled);
        }
        if !self.is_ping_pending && !frames.is_full() {
            self.last_call += 1;
            frames.push(&(Header { call: self.last_call, ttl_ms: 0 }, &ControlRequest::Ping))?;
            self.is_ping_pending = true;
        }
        Ok(())
    }
}

/// The pause between failed dials, which doubles with each failure.
#[derive(Default)]
struct DialBackoff {
    failed: Option<(Arc<Cause>, Instant)>,
    pause: Duration,
    logged: Option<Instant>,
}

impl DialBackoff {
    fn has_failed(&mut self, cause: Cause) {
        self.pause = (self.pause * 2).clamp(MIN_REDIAL_PAUSE, MAX_REDIAL_PAUSE);
        self.failed = Some((Arc::new(cause), Instant::now() + self.pause));
    }

    /// Whether people should read of this failure now: one that waiting does not mend.
    fn is_for_people(&mut self, cause: &Cause) -> bool {
        let is_lasting = matches!(
            cause,
            Cause::Tls(_) | Cause::Refused(Refusal::WrongCertificate { .. } | Refusal::SpeaksTls)
        );
        let is_due = is_lasting && self.logged.is_none_or(|at| at.elapsed() >= LINK_REMIND);
        if is_due {
            self.logged = Some(Instant::now());
        }
        is_due
    }

    fn is_too_early(&self) -> Option<Cause> {
        let (cause, until) = self.failed.as_ref()?;
        (Instant::now() < *until).then(|| Cause::BackingOff(Arc::clone(cause)))
    }
}
