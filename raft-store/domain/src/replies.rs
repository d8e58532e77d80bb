//! The reply table: every write has an identity, and its first answer is remembered, so that a
//! retry after a lost answer gets that answer instead of a second effect (Ongaro, "Consensus:
//! Bridging Theory and Practice", 6.3).

use crate::{
    ids::EngineerId,
    refusal::Refusal,
    reply::Reply,
    state::State,
    time::{ClusterTime, Millis, Revision},
    words::IdempotencyKey,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An answer to a key that a node made itself is remembered for this long: a node gives up
/// retrying a request well before.
pub const NODE_REPLY_AGE: Millis = Millis::from_secs(60);
/// Answers to keys of nodes that are remembered, but for young ones. Those that clients chose
/// themselves are counted apart, so that a busy hour does not push out the answer that a client comes
/// back for.
pub const NODE_REPLIES: u64 = 20_000;
/// No answer to a key of a node is forgotten before, however many there are: a node retries for 4 s, and its
/// last try may come late.
pub const NODE_REPLY_FLOOR: Millis = Millis::from_secs(10);
/// No answer to a key of a client is forgotten before, however many there are: clients try one node after the
/// other, for tens of seconds.
pub const CLIENT_REPLY_FLOOR: Millis = Millis::from_secs(60);
/// What all answers of a kind may weigh, young ones too: bounds memory at more than 40,000 writes in each
/// second of [`NODE_REPLY_FLOOR`].
pub const MAX_REPLY_BYTES: usize = 256 << 20;
/// What an answer weighs beside its lists: its row and its places in the maps.
const REPLY_BYTES: usize = 500;
/// Conflicts and the like in a remembered refusal, in bytes.
const MAX_REMEMBERED_LIST_BYTES: usize = 16 << 10;

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
    /// Whether long lists were taken out of it: it is a remembered one.
    pub is_cut: bool,
}

impl Answer {
    /// What it says, to somebody who sees this state: paths that were cut are those of today.
    ///
    /// # Errors
    /// The refusal.
    pub fn told(self, state: &State) -> Result<Reply, Refusal> {
        match self.outcome {
            Ok(reply) if self.is_cut => Ok(reply.completed(state)),
            outcome => outcome,
        }
    }

    /// As it is remembered.
    pub(crate) fn cut(&self) -> Self {
        let cut = match &self.outcome {
            Ok(reply) => reply.cut().map(Ok),
            Err(refusal) => refusal.cut(MAX_REMEMBERED_LIST_BYTES).map(Err),
        };
        match cut {
            Some(outcome) => Self { revision: self.revision, outcome, is_cut: true },
            None => self.clone(),
        }
    }
}

/// An answer that is kept for retries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Remembered {
    /// Of which request.
    pub fingerprint: u64,
    /// Who chose the key.
    pub origin: KeyOrigin,
    /// Remembered since.
    pub since: ClusterTime,
    /// Forgotten at this moment.
    pub expires: ClusterTime,
    /// The first answer.
    pub answer: Arc<Answer>,
}

impl Remembered {
    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        let lists = match &self.answer.outcome {
            Ok(reply) => reply.path_bytes(),
            Err(refusal) => refusal.list_bytes(),
        };
        REPLY_BYTES + lists
    }
}
