//! Replication: log entries to one follower over a separate connection, with many requests in flight that are answered
//! in order.
//!
//! A connection outlives many streams of openraft. Each stream is a numbered session: after a refusal or a cancelled
//! stream, the messages in flight belong to a session that is over, and both ends skip them.
//!
//! - [`send`]: the leader's end.
//! - [`receive`]: the follower's end.

mod receive;
mod send;

pub(super) use receive::serve;
#[cfg(any(test, fuzzing))]
pub(super) use send::read_request;
pub(super) use send::{AppendConnection, AppendStream};

use nexus_raft_store::TypeConfig;
use openraft::raft::StreamAppendResult;
use serde::{Deserialize, Serialize};

/// The number of a session, which precedes each request. It only grows on a connection.
type SessionNumber = u64;

/// The answer to one request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AppendReply {
    session: SessionNumber,
    result: StreamAppendResult<TypeConfig>,
}
