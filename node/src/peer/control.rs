//! What is said on a control connection: calls with a number, answered in any order. One connection
//! per pair of nodes and direction carries them all.
//!
//! A call is a [`Header`] followed by its request in the same frame, so that a node which does not
//! know a newer request can still answer that.

use super::{
    hello::Refusal,
    limits::{RAFT_IN_FLIGHT, SERVICE_IN_FLIGHT, SESSION_HEARTBEATS_IN_FLIGHT},
    service::{ServiceRequest, ServiceResponse},
};
use nexus_raft_store::TypeConfig;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
    VoteResponse,
};
use serde::{Deserialize, Serialize};

/// What a peer is asked. Grows only at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ControlRequest {
    /// Nothing: whether it is still there.
    Ping,
    /// A heartbeat of the leader, or a single append.
    Append(AppendEntriesRequest<TypeConfig>),
    /// For its vote.
    Vote(VoteRequest<TypeConfig>),
    /// Whether it would vote.
    PreVote(VoteRequest<TypeConfig>),
    /// To let another node, or itself, take over leadership.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// Something beyond Raft.
    Service(ServiceRequest),
}

impl ControlRequest {
    /// How urgent it is.
    pub(super) fn urgency(&self) -> Urgency {
        match self {
            Self::Service(ServiceRequest::Heartbeats { .. } | ServiceRequest::ClusterTime(_)) => {
                Urgency::SessionHeartbeat
            }
            Self::Service(_) => Urgency::Service,
            _ => Urgency::Raft,
        }
    }
}

/// What goes before what, the most urgent first. Each has its own bound, so that none waits for those behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Urgency {
    /// Elections and the leader's lease depend on it.
    Raft,
    /// Leases of sessions depend on it.
    SessionHeartbeat,
    /// Whoever waits for it can try again.
    Service,
}

impl Urgency {
    /// In their order.
    pub(super) const ALL: [Self; 3] = [Self::Raft, Self::SessionHeartbeat, Self::Service];

    /// Calls in flight per control connection, in each direction.
    pub(super) const fn in_flight(self) -> usize {
        match self {
            Self::Raft => RAFT_IN_FLIGHT,
            Self::SessionHeartbeat => SESSION_HEARTBEATS_IN_FLIGHT,
            Self::Service => SERVICE_IN_FLIGHT,
        }
    }
}

/// What a peer answers. Grows only at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ControlResponse {
    /// Still there.
    Pong,
    /// To an append.
    Append(AppendEntriesResponse<TypeConfig>),
    /// To a vote or a pre-vote.
    Vote(VoteResponse<TypeConfig>),
    /// To a transfer.
    TransferLeader(TransferLeaderResponse<TypeConfig>),
    /// To a request beyond Raft.
    Service(ServiceResponse),
    /// The request was not worked on.
    Refused(Refusal),
    /// The request was worked on and failed; the outcome is unknown.
    Failed(String),
}

/// In front of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Number of the call, never used twice on a connection.
    pub(super) call: u64,
    /// How long the caller waits, in milliseconds.
    pub(super) ttl_ms: u32,
}

/// In front of each response: the number of the call.
pub(super) type CallNumber = u64;
