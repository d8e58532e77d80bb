//! What can become of a request to a peer, and what openraft is told about it.

use super::{frame::FrameError, hello::Refusal};
use nexus_raft_store::TypeConfig;
use openraft::errors::{RPCError, StreamingError, Unreachable};
use std::sync::Arc;

/// Why a request was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// Nobody answers at the address.
    #[error("cannot connect: {0}")]
    Connect(Arc<std::io::Error>),
    /// Somebody answered, and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The last dial failed a moment ago, and the next one is not due yet.
    #[error("last dial failed: {0}")]
    BackingOff(Arc<Cause>),
    /// The time is over.
    #[error("no answer in time")]
    Deadline,
    /// As many requests as may be are on their way to that peer.
    #[error("too many requests are on their way to it")]
    Busy,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(Arc<FrameError>),
    /// The other end closed the connection.
    #[error("connection closed by the other end")]
    Closed,
    /// The peer does not take or answer anything, although connected.
    #[error("the peer is stalled")]
    Stalled,
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Unsendable(Arc<FrameError>),
    /// Its Raft or its service failed while it worked on the request.
    #[error("the peer failed: {0}")]
    Failed(String),
}

impl From<FrameError> for Cause {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed => Self::Closed,
            error => Self::Lost(Arc::new(error)),
        }
    }
}

/// What became of a request that has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PeerError {
    /// It certainly had no effect: it never left this node, or was refused.
    #[error("{0} (nothing was done)")]
    NotSent(Cause),
    /// It left this node, and nobody knows whether it had an effect.
    #[error("{0} (the outcome is unknown)")]
    Unknown(Cause),
}

impl PeerError {
    /// Why.
    pub fn cause(&self) -> &Cause {
        match self {
            Self::NotSent(cause) | Self::Unknown(cause) => cause,
        }
    }
}

/// Always `Unreachable`, so that openraft backs off: a peer that refuses or stalls is no better at once.
pub(super) fn unreachable(cause: &Cause) -> Unreachable<TypeConfig> {
    Unreachable::new(cause)
}

impl From<Cause> for RPCError<TypeConfig> {
    fn from(cause: Cause) -> Self {
        unreachable(&cause).into()
    }
}

impl From<Cause> for StreamingError<TypeConfig> {
    fn from(cause: Cause) -> Self {
        unreachable(&cause).into()
    }
}

impl From<PeerError> for RPCError<TypeConfig> {
    fn from(error: PeerError) -> Self {
        error.cause().clone().into()
    }
}
