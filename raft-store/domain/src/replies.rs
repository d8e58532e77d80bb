//! The reply table: every write has an identity, and its first answer is remembered, so that a
//! retry after a lost answer gets that answer instead of a second effect (Ongaro, "Consensus:
//! Bridging Theory and Practice", 6.3).

use crate::{
    ids::EngineerId,
    refusal::Refusal,
    reply::Reply,
    time::{ClusterTime, Millis, Revision},
    words::IdempotencyKey,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An answer to a key that a node made itself is remembered for this long: a node gives up
/// retrying a request well before.
pub const NODE_REPLY_AGE: Millis = Millis::from_secs(60);
/// Answers to keys of nodes that are remembered at most: bounds memory. A node gives up retrying
/// after a few seconds; those that clients chose themselves are counted apart, so that a busy hour
/// does not push out the answer that a client comes back for.
pub const NODE_REPLIES: u64 = 20_000;

/// Whose request, under which key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ReplyKey {
    /// The engineer; none for requests without a key of one.
    pub engineer: Option<EngineerId>,
    /// The client's key, or one that the node made.
    pub key: IdempotencyKey,
}

/// Who chose the key: it decides for how long the answer is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyOrigin {
    /// The client, who may come back after a long time.
    Client,
    /// The node, for its own retries.
    Node,
}

/// The identity of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Whose, under which key.
    pub key: ReplyKey,
    /// Digest of method, path and body: another request under the same key is refused.
    pub fingerprint: u64,
    /// Who chose the key.
    pub origin: KeyOrigin,
}

/// What applying a command gave. A refusal is an answer like any other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The log index that first gave it.
    pub revision: Revision,
    /// What it says.
    pub outcome: Result<Reply, Refusal>,
}

/// An answer that is kept for retries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Remembered {
    /// Of which request.
    pub fingerprint: u64,
    /// Who chose the key.
    pub origin: KeyOrigin,
    /// Forgotten at this moment.
    pub expires: ClusterTime,
    /// The first answer.
    pub answer: Arc<Answer>,
}
