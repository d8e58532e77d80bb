//! One control connection from the side that is asked: every request is a task of its own, answered
//! when it is done. Reading never waits for answering, so that a vote overtakes forwarded proposals.

use super::PeerServer;
use crate::peer::{
    control::{CallNumber, ControlRequest, ControlResponse, Header, Urgency},
    error::Cause,
    frame::{FrameError, Frames, Turn, read, take},
    hello::{Hello, Refusal},
    limits::{LINK_CHECK, LINK_STALL, SERVICE_TTL_MOST_MS},
    raft::{RaftPort, RaftStopped},
    service::{MembershipRequest, PeerService, ServiceRequest},
};
use bytes::BytesMut;
use nexus_domain::NodeId;
use std::{sync::Arc, time::Duration};
use tokio::{
    select,
    task::{JoinError, JoinSet},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// A finished request; no response when its caller's time was over.
struct Served {
    call: CallNumber,
    urgency: Urgency,
    response: Option<ControlResponse>,
}

/// One control connection.
pub(super) struct Conversation<'s> {
    server: &'s PeerServer,
    from: Option<NodeId>,
    /// Whether both ends are named members: only they may ask for more than a place.
    is_between_members: bool,
    /// Aborted when the connection ends: nobody would hear the answers.
    tasks: JoinSet<Served>,
    /// By urgency.
    in_flight: [usize; 3],
}

impl<'s> Conversation<'s> {
    pub(super) fn new(server: &'s PeerServer, hello: &Hello) -> Self {
        Self {
            server,
            from: hello.node,
            is_between_members: hello.node.is_some() && hello.expected.is_some(),
            tasks: JoinSet::new(),
            in_flight: [0; 3],
        }
    }

    /// Serves until the peer goes. After `shutdown`, new requests are refused and those in flight are
    /// finished.
    pub(super) async fn serve(
        mut self,
        mut frames: Frames,
        shutdown: CancellationToken,
    ) -> Result<(), Cause> {
        let mut check = interval(LINK_CHECK);
        let mut is_draining = false;
        while !(is_draining && self.tasks.is_empty()) {
            // Requests wait while answers do, so that a peer which does not read cannot fill memory.
            let is_full = frames.is_full();
            select! {
                turn = frames.turn(!is_full) => match turn? {
                    Turn::Frame(frame) => self.hear(frame, &mut frames, is_draining)?,
                    Turn::Room => {}
                },
                Some(served) = self.tasks.join_next(), if !is_full => {
                    self.answer(served, &mut frames)?;
                    while !frames.is_full() && let Some(served) = self.tasks.try_join_next() {
                        self.answer(served, &mut frames)?;
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

    fn hear(&mut self, mut frame: BytesMut, frames: &mut Frames, is_draining: bool) -> Result<(), Cause> {
        let header: Header = take(&mut frame)?;
        let refused = match read(frame) {
            Ok(ControlRequest::Ping) => Some(ControlResponse::Pong),
            Ok(_) if is_draining => Some(ControlResponse::Refused(Refusal::Draining)),
            Ok(request) => self.begin(header, request).err().map(ControlResponse::Refused),
            Err(error) => {
                tracing::debug!(%error, "a request of a newer peer");
                Some(ControlResponse::Refused(Refusal::Unintelligible))
            }
        };
        if let Some(response) = refused {
            frames.push(&(header.call, response))?;
        }
        Ok(())
    }

    fn begin(&mut self, header: Header, request: ControlRequest) -> Result<(), Refusal> {
        let call = header.call;
        let ttl = Duration::from_millis(u64::from(header.ttl_ms.min(SERVICE_TTL_MOST_MS)));
        let urgency = request.urgency();
        if !self.is_between_members && !is_for_guests(&request) {
            return Err(Refusal::NotAMember);
        }
        if let ControlRequest::Service(request) = request {
            self.count_in(urgency)?;
            let (service, from): (Arc<dyn PeerService>, _) = (Arc::clone(&self.server.service), self.from);
            self.tasks.spawn(async move {
                let served = timeout(ttl, service.serve(from, request)).await.ok();
                Served { call, urgency, response: served.map(ControlResponse::Service) }
            });
            return Ok(());
        }
        let raft = self.server.raft().ok_or(Refusal::NotReady)?;
        self.count_in(urgency)?;
        self.tasks.spawn(async move {
            let served = timeout(ttl, ask_raft(&*raft, request)).await.ok();
            let response = served.map(|served| served.unwrap_or_else(ControlResponse::Failed));
            Served { call, urgency, response }
        });
        Ok(())
    }

    fn count_in(&mut self, urgency: Urgency) -> Result<(), Refusal> {
        let in_flight = &mut self.in_flight[urgency as usize];
        if *in_flight >= urgency.in_flight() {
            return Err(Refusal::Busy);
        }
        *in_flight += 1;
        Ok(())
    }

    fn answer(&mut self, served: Result<Served, JoinError>, frames: &mut Frames) -> Result<(), Cause> {
        // A request that panicked has no number to answer to; closing tells its caller, and the others,
        // that their outcomes are unknown.
        let served = served.map_err(|error| Cause::Failed(error.to_string()))?;
        self.in_flight[served.urgency as usize] -= 1;
        let Some(response) = served.response else {
            return Ok(());
        };
        match frames.push(&(served.call, response)) {
            Err(error @ FrameError::TooLarge) => {
                frames.push(&(served.call, ControlResponse::Failed(error.to_string())))?;
            }
            pushed => {
                pushed?;
            }
        }
        Ok(())
    }
}

/// Whether a node may ask this that has no place in the cluster yet, or does not know whom it asks.
fn is_for_guests(request: &ControlRequest) -> bool {
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
        ControlRequest::Ping | ControlRequest::Service(_) => unreachable!("neither of them is for Raft"),
    })
}
