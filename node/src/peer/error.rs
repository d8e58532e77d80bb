//! The failures of requests to a peer, and their conversion to errors of openraft.

use super::{frame::FrameError, hello::Refusal};
use crate::tls;
use nexus_raft_store::TypeConfig;
use openraft::errors::{RPCError, StreamingError, Unreachable};
use std::{io, sync::Arc};

/// Why a request was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// No connection could be made to the address.
    #[error("cannot connect: {0}")]
    Connect(Arc<io::Error>),
    /// One end refused the certificate of the other.
    #[error("TLS: {0}")]
    Tls(String),
    /// The peer refused the connection or the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The last dial failed, and the next one is not due yet.
    #[error("last dial failed: {0}")]
    BackingOff(Arc<Cause>),
    /// The deadline of the request passed.
    #[error("no answer in time")]
    Deadline,
    /// The maximum of requests to that peer is in flight.
    #[error("too many requests are on their way to it")]
    Busy,
    /// The connection failed.
    #[error("connection lost: {0}")]
    Lost(Arc<FrameError>),
    /// The other end closed the connection.
    #[error("connection closed by the other end")]
    Closed,
    /// The peer is connected, but neither reads nor answers.
    #[error("the peer is stalled")]
    Stalled,
    /// The request cannot be encoded, or is too large.
    #[error("the request cannot be sent: {0}")]
    Unsendable(Arc<FrameError>),
    /// The peer's Raft or service failed while it handled the request.
    #[error("the peer failed: {0}")]
    Failed(String),
}

impl Cause {
    /// The cause when no connection could be made.
    pub(super) fn connecting(error: io::Error) -> Self {
        match tls::reason::explain(&error) {
            Some(reason) => Self::Tls(reason),
            None => Self::Connect(Arc::new(error)),
        }
    }
}

impl From<FrameError> for Cause {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed => Self::Closed,
            // An end whose certificate is refused receives the alert with its first read.
            FrameError::Io(error) => match tls::reason::explain(&error) {
                Some(reason) => Self::Tls(reason),
                None => Self::Lost(Arc::new(FrameError::Io(error))),
            },
            error => Self::Lost(Arc::new(error)),
        }
    }
}

/// Why a request has no answer, and whether it may have had an effect.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PeerError {
    /// The request certainly had no effect: it was not sent, or it was refused.
    #[error("{0} (nothing was done)")]
    NotSent(Cause),
    /// The request was sent, and may have had an effect.
    #[error("{0} (the outcome is unknown)")]
    Unknown(Cause),
}

impl PeerError {
    /// The cause of the failure.
    pub fn cause(&self) -> &Cause {
        match self {
            Self::NotSent(cause) | Self::Unknown(cause) => cause,
        }
    }
}

/// Every failure becomes `Unreachable`, so that openraft backs off: an immediate retry to a peer that refuses or stalls
/// would fail again.
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
