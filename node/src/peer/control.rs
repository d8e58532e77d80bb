//! The messages of a control connection: numbered calls, which are answered in any order. One connection per pair of
//! nodes and direction carries all of them.
//!
//! A call is a [`Header`] followed by its request in the same frame, so that a node can refuse a newer request that it
//! cannot decode.

use super::{
    hello::Refusal,
    limits::{RAFT_IN_FLIGHT, SERVICE_IN_FLIGHT, SESSION_HEARTBEATS_IN_FLIGHT},
    service::{ServiceRequest, ServiceResponse},
};
use nexus_api::traces::TraceContext;
use nexus_raft_store::TypeConfig;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
    VoteResponse,
};
use serde::{Deserialize, Serialize};

/// A request to a peer. New variants go at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ControlRequest {
    /// Checks that the peer is alive.
    Ping,
    /// A heartbeat of the leader, or a single append of entries.
    Append(AppendEntriesRequest<TypeConfig>),
    /// Requests a vote.
    Vote(VoteRequest<TypeConfig>),
    /// Asks whether the peer would vote.
    PreVote(VoteRequest<TypeConfig>),
    /// Transfers leadership, to the peer or to another node.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// A request beyond Raft.
    Service(ServiceRequest),
    /// A request beyond Raft that belongs to a trace. Only for peers whose details say that they know it.
    Traced(TraceContext, ServiceRequest),
}

impl ControlRequest {
    /// The urgency of the request.
    pub(super) fn urgency(&self) -> Urgency {
        match self {
            Self::Service(request) | Self::Traced(_, request) => match request {
                ServiceRequest::Heartbeats { .. } | ServiceRequest::ClusterTime(_) => {
                    Urgency::SessionHeartbeat
                }
                _ => Urgency::Service,
            },
            _ => Urgency::Raft,
        }
    }
}

/// The order in which calls are sent, the most urgent first. Each urgency has its own limit, so that none waits for a
/// lower one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Urgency {
    /// Elections and the leader's lease depend on it.
    Raft,
    /// Leases of sessions depend on it.
    SessionHeartbeat,
    /// The caller can retry.
    Service,
}

impl Urgency {
    /// All of them, the most urgent first.
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

/// The answer of a peer. New variants go at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ControlResponse {
    /// Answers a ping.
    Pong,
    /// Answers an append.
    Append(AppendEntriesResponse<TypeConfig>),
    /// Answers a vote or a pre-vote.
    Vote(VoteResponse<TypeConfig>),
    /// Answers a transfer of leadership.
    TransferLeader(TransferLeaderResponse<TypeConfig>),
    /// Answers a request beyond Raft.
    Service(ServiceResponse),
    /// The request was refused, and nothing was done.
    Refused(Refusal),
    /// The request failed while it ran; its outcome is unknown.
    Failed(String),
}

/// Precedes each request in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The number of the call, which is used once on a connection.
    pub(super) call: u64,
    /// How long the caller waits, in milliseconds.
    pub(super) ttl_ms: u32,
}

/// The number of the call, which precedes each response in its frame.
pub(super) type CallNumber = u64;
