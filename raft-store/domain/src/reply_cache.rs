//! The reply cache. Every write has an identity, and the cache has its first answer, so that a retry after a lost
//! answer gets that answer instead of a second effect (Ongaro, "Consensus: Bridging Theory and Practice", 6.3).
//!
//! A write with an `Idempotency-Key` has a [`KeyedReply`], which is cached for long, since its client may retry through
//! any node. A write without a key is retried only by the node that received it, and never after that node has
//! answered. So each node has slots, as in the reply cache of NFS (RFC 8881, 2.10.6): a write takes a free
//! [`ReplySlot`] and a higher sequence number than any earlier write, and its [`SlottedReply`] stays there until
//! another write takes the slot.

use crate::{
    ids::{EngineerId, NodeId},
    refusal::Refusal,
    reply::Reply,
    short_text::IdempotencyKey,
    time::{ClusterTime, Millis, Revision},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A keyed reply that is younger than this is not evicted, however many there are: clients retry at one node after the
/// other, for tens of seconds.
pub const REPLY_FLOOR: Millis = Millis::from_secs(60);
/// The bytes of all keyed replies together, young ones included: bounds memory.
pub const MAX_REPLY_BYTES: usize = 128 << 20;
/// A slot that was not used for this long is emptied: a node retries a request only for seconds.
pub const SLOT_AGE: Millis = Millis::from_secs(60);
/// The bytes of a reply without its lists: its row and its index entries.
const REPLY_BYTES: usize = 500;
/// The bytes of the lists in a cached refusal with a key.
const MAX_LIST_BYTES_OF_KEYED: usize = 16 << 10;
/// The bytes of the lists in a cached refusal in a slot: a busy node may have thousands of slots.
const MAX_LIST_BYTES_OF_SLOTTED: usize = 4 << 10;

/// The identity of a request, by which its retries are recognised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// The client sent an `Idempotency-Key`.
    Keyed(KeyedRequest),
    /// The client sent no key. The node that received the request has assigned a slot to it.
    Slotted {
        /// The slot that the reply is cached in.
        slot: ReplySlot,
        /// The request among all of its node.
        id: SequenceId,
    },
}

/// The key of a [`KeyedReply`]. Each engineer has their own keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ReplyKey {
    /// The engineer; `None` for requests without an API key.
    pub engineer: Option<EngineerId>,
    /// The client's `Idempotency-Key`.
    pub key: IdempotencyKey,
}

/// The identity of a request with an `Idempotency-Key`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyedRequest {
    /// The engineer and the key.
    pub key: ReplyKey,
    /// A digest of method, path and body: another request with the same key is refused.
    pub fingerprint: u64,
}

/// The slot in which the reply to a request without a key is cached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ReplySlot {
    /// The node that received the request.
    pub node: NodeId,
    /// The number of the slot, from 0. A node uses as many slots as it ever had requests at once.
    pub number: u16,
}

/// Identifies one request among all of its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SequenceId {
    /// A number that is higher than that of every earlier request of the node.
    pub sequence: u64,
    /// A random number, chosen again at each start of the node. A node whose data folder was restored from an older
    /// copy repeats sequence numbers, and must not get the replies to its former requests.
    pub start: u64,
}

/// The cached reply to a request without an `Idempotency-Key`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SlottedReply {
    /// The request that it answers.
    pub id: SequenceId,
    /// The cluster time at which it was cached.
    pub since: ClusterTime,
    /// The answer of the request's first application.
    pub answer: Arc<Answer>,
}

/// The result of applying a command. A refusal is an answer like any other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The log index of the entry that first gave it.
    pub revision: Revision,
    /// The reply or the refusal.
    pub outcome: Result<Reply, Refusal>,
    /// Whether long lists were cut out of it, as happens before it is cached.
    pub is_cut: bool,
}

impl Answer {
    /// The answer as it is cached for this request: without long lists.
    pub(crate) fn cut(&self, request: &Request) -> Self {
        let most = match request {
            Request::Keyed(_) => MAX_LIST_BYTES_OF_KEYED,
            Request::Slotted { .. } => MAX_LIST_BYTES_OF_SLOTTED,
        };
        let cut = match &self.outcome {
            Ok(reply) => reply.cut().map(Ok),
            Err(refusal) => refusal.cut(most).map(Err),
        };
        match cut {
            Some(outcome) => Self { revision: self.revision, outcome, is_cut: true },
            None => self.clone(),
        }
    }
}

/// The cached reply to a request with an `Idempotency-Key`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KeyedReply {
    /// The fingerprint of the request that it answers.
    pub fingerprint: u64,
    /// The cluster time at which it was cached.
    pub since: ClusterTime,
    /// The cluster time at which it is evicted.
    pub expires: ClusterTime,
    /// The answer of the request's first application.
    pub answer: Arc<Answer>,
}

impl KeyedReply {
    /// The approximate bytes that it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        let lists = match &self.answer.outcome {
            Ok(reply) => reply.path_bytes(),
            Err(refusal) => refusal.list_bytes(),
        };
        REPLY_BYTES + lists
    }
}
