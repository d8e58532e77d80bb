//! Serves one control connection. Each request runs in a task of its own and is answered when it is done. Reading never
//! waits for an answer, so that a vote overtakes forwarded proposals.

use crate::peer::{
    control::{CallNumber, ControlRequest, ControlResponse, Header, Urgency},
    error::Cause,
    frame::{FrameError, FrameEvent, Frames, read, take},
    hello::{Hello, Refusal},
    limits::{LINK_CHECK, LINK_STALL, MAX_SERVICE_TTL_MS},
    raft::{RaftCell, RaftPort, RaftStopped},
    service::{MembershipRequest, PeerService, ServiceRequest},
};
use bytes::BytesMut;
use nexus_api::traces::TraceContext;
use nexus_domain::NodeId;
use std::{sync::Arc, time::Duration};
use tokio::{
    select,
    task::{JoinError, JoinSet},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field::Empty};

/// A finished request. It has no response when its deadline passed first.
struct CompletedCall {
    call: CallNumber,
    urgency: Urgency,
    response: Option<ControlResponse>,
}

/// A control connection that is being served.
pub(super) struct ControlConnection {
    /// The Raft of this node, once it runs.
    raft: RaftCell,
    /// Answers requests beyond Raft.
    service: Arc<dyn PeerService>,
    from: Option<NodeId>,
    /// Whether both ends are members that the handshake named. Other nodes may only ask who a member is, and join.
    is_between_members: bool,
    /// Requests in progress. They are aborted when the connection ends, since their answers could not be sent.
    tasks: JoinSet<CompletedCall>,
    /// Requests in progress, by urgency.
    in_flight: [usize; 3],
}

impl ControlConnection {
    pub(super) fn new(raft: RaftCell, service: Arc<dyn PeerService>, hello: &Hello) -> Self {
        Self {
            raft,
            service,
            from: hello.node,
            is_between_members: hello.node.is_some() && hello.expected.is_some(),
            tasks: JoinSet::new(),
            in_flight: [0; 3],
        }
    }

    /// Serves until the peer disconnects. After `shutdown`, new requests are refused and open ones are finished.
    pub(super) async fn serve(
        mut self,
        mut frames: Frames,
        shutdown: CancellationToken,
    ) -> Result<(), Cause> {
        let mut check = interval(LINK_CHECK);
        let mut is_draining = false;
        while !(is_draining && self.tasks.is_empty()) {
            // No request is read while answers wait to be sent, so that a peer which does not read cannot fill memory.
            let is_full = frames.is_full();
            select! {
                event = frames.next_event(!is_full) => match event? {
                    FrameEvent::Received(frame) => self.receive(frame, &mut frames, is_draining)?,
                    FrameEvent::Writable => {}
                },
                Some(completed) = self.tasks.join_next(), if !is_full => {
                    self.answer(completed, &mut frames)?;
                    while !frames.is_full() && let Some(completed) = self.tasks.try_join_next() {
                        self.answer(completed, &mut frames)?;
                    }
                }
                _ = check.tick() => if frames.is_stuck(LINK_STALL) {
                    return Err(Cause::Stalled);
                },
                () = shutdown.cancelled(), if !is_draining => is_draining = true,
            }
        }
        timeout(LINK_STALL, frames.flush()).await.map_err(|_| Cause::Stalled)??;
        Ok(())
    }

    fn receive(&mut self, mut frame: BytesMut, frames: &mut Frames, is_draining: bool) -> Result<(), Cause> {
        let header: Header = take(&mut frame)?;
        let refused = match read(frame) {
            Ok(ControlRequest::Ping) => Some(ControlResponse::Pong),
            Ok(_) if is_draining => Some(ControlResponse::Refused(Refusal::Draining)),
            Ok(request) => self.start(header, request).err().map(ControlResponse::Refused),
            Err(error) => {
                tracing::debug!(%error, "a request that this version does not know");
                Some(ControlResponse::Refused(Refusal::Unintelligible))
            }
        };
        if let Some(response) = refused {
            frames.push(&(header.call, response))?;
        }
        Ok(())
    }

    fn start(&mut self, header: Header, request: ControlRequest) -> Result<(), Refusal> {
        let call = header.call;
        let ttl = Duration::from_millis(u64::from(header.ttl_ms.min(MAX_SERVICE_TTL_MS)));
        let urgency = request.urgency();
        if !self.is_between_members && !is_open_to_non_members(&request) {
            return Err(Refusal::NotAMember);
        }
        let request = match request {
            ControlRequest::Service(request) => return self.start_service(call, ttl, urgency, request, None),
            ControlRequest::Traced(context, request) => {
                return self.start_service(call, ttl, urgency, request, Some(&context));
            }
            request => request,
        };
        let raft = self.raft.get().ok_or(Refusal::NotReady)?;
        self.reserve(urgency)?;
        self.tasks.spawn(async move {
            let completed = timeout(ttl, ask_raft(&*raft, request)).await.ok();
            let response = completed.map(|completed| completed.unwrap_or_else(ControlResponse::Failed));
            CompletedCall { call, urgency, response }
        });
        Ok(())
    }

    fn start_service(
        &mut self,
        call: CallNumber,
        ttl: Duration,
        urgency: Urgency,
        request: ServiceRequest,
        context: Option<&TraceContext>,
    ) -> Result<(), Refusal> {
        self.reserve(urgency)?;
        let (service, from) = (Arc::clone(&self.service), self.from);
        let span = tracing::debug_span!("peer", ?from, otel.kind = Empty);
        if let Some(context) = context {
            span.record("otel.kind", "server");
            context.continue_in(&span);
        }
        let serving = async move {
            let completed = timeout(ttl, service.serve(from, request)).await.ok();
            CompletedCall { call, urgency, response: completed.map(ControlResponse::Service) }
        };
        self.tasks.spawn(serving.instrument(span));
        Ok(())
    }

    fn reserve(&mut self, urgency: Urgency) -> Result<(), Refusal> {
        let in_flight = &mut self.in_flight[urgency as usize];
        if *in_flight >= urgency.in_flight() {
            return Err(Refusal::Busy);
        }
        *in_flight += 1;
        Ok(())
    }

    fn answer(
        &mut self,
        completed: Result<CompletedCall, JoinError>,
        frames: &mut Frames,
    ) -> Result<(), Cause> {
        // The call number of a request that panicked is lost. Closing the connection gives all open calls an unknown
        // outcome.
        let completed = completed.map_err(|error| Cause::Failed(error.to_string()))?;
        self.in_flight[completed.urgency as usize] -= 1;
        let Some(response) = completed.response else {
            return Ok(());
        };
        match frames.push(&(completed.call, response)) {
            Err(error @ FrameError::TooLarge) => {
                frames.push(&(completed.call, ControlResponse::Failed(error.to_string())))?;
            }
            pushed => {
                pushed?;
            }
        }
        Ok(())
    }
}

/// Whether a node may send this that is no member yet, or does not know which node it has reached.
fn is_open_to_non_members(request: &ControlRequest) -> bool {
    matches!(
        request,
        ControlRequest::Ping
            | ControlRequest::Service(
                ServiceRequest::WhoIs { .. } | ServiceRequest::Membership(MembershipRequest::Join { .. })
            )
    )
}

async fn ask_raft(raft: &dyn RaftPort, request: ControlRequest) -> Result<ControlResponse, RaftStopped> {
    Ok(match request {
        ControlRequest::Append(request) => ControlResponse::Append(raft.append(request).await?),
        ControlRequest::Vote(request) => ControlResponse::Vote(raft.vote(request).await?),
        ControlRequest::PreVote(request) => ControlResponse::Vote(raft.pre_vote(request).await?),
        ControlRequest::TransferLeader(request) => {
            ControlResponse::TransferLeader(raft.transfer_leader(request).await?)
        }
        ControlRequest::Ping | ControlRequest::Service(_) | ControlRequest::Traced(..) => {
            unreachable!("none of them is for Raft")
        }
    })
}
