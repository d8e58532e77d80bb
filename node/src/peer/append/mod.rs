//! Replication: log entries to one follower over a connection of their own, many requests in flight,
//! answered in order.
//!
//! One connection outlives many streams of openraft. Each stream is a numbered session: after a
//! refusal or a cancelled stream, what was still in flight belongs to a session that is over, and
//! both ends skip it.
//!
//! - [`send`]: the leader's end.
//! - [`receive`]: the follower's end.

mod receive;
mod send;

pub(super) use receive::serve;
#[cfg(test)]
pub(super) use send::read_request;
pub(super) use send::{AppendConnection, AppendStream};

use nexus_raft_store::TypeConfig;
use openraft::raft::StreamAppendResult;
use serde::{Deserialize, Serialize};

/// Number of a session, in front of each request; it only grows on a connection.
type SessionNumber = u64;

/// The answer to one request.
#[derive(Debug, Serialize, Deserialize)]
struct AppendReply {
    session: SessionNumber,
    result: StreamAppendResult<TypeConfig>,
}
