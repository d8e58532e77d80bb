//! The reply table: every write has an identity, and its first answer is remembered, so that a
//! retry after a lost answer gets that answer instead of a second effect (Ongaro, "Consensus:
//! Bridging Theory and Practice", 6.3).
//!
//! A key that a client chose is remembered for long: the client may come back through any node. A write without
//! one is tried again by the node that took it in alone, and never after it has answered. So each node has slots, as
//! in the reply cache of NFS (RFC 8881, 2.10.6): a write takes one that is free, with a higher sequence than any
//! write before it, and its answer stays there until the next one takes the slot.

use crate::{
    ids::{EngineerId, NodeId},
    refusal::Refusal,
    reply::Reply,
    state::State,
    time::{ClusterTime, Millis, Revision},
    words::IdempotencyKey,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// No answer to a key is forgotten before, however many there are: clients try one node after the other, for tens
/// of seconds.
pub const REPLY_FLOOR: Millis = Millis::from_secs(60);
/// What all answers to keys may weigh, young ones too: bounds memory.
pub const MAX_REPLY_BYTES: usize = 128 << 20;
/// A slot that was not taken for so long is needed by no retry: a node gives a request up within seconds.
pub const SLOT_AGE: Millis = Millis::from_secs(60);
/// What an answer weighs beside its lists: its row and its places in the maps.
const REPLY_BYTES: usize = 500;
/// Conflicts and the like in a remembered refusal, in bytes: under a key, of which there are few, and in a slot, of
/// which a busy node may have thousands.
const MAX_LIST_BYTES_OF_KEYED: usize = 16 << 10;
const MAX_LIST_BYTES_OF_SLOTTED: usize = 4 << 10;

/// The identity of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Its client chose a key.
    Keyed(KeyedRequest),
    /// It has none, and the node that took it in has a slot for it.
    Slotted {
        /// Which slot.
        slot: Slot,
        /// Which request of the node.
        turn: Turn,
    },
}

/// Whose request, under which key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ReplyKey {
    /// The engineer; none for requests without a key of one.
    pub engineer: Option<EngineerId>,
    /// The client's key.
    pub key: IdempotencyKey,
}

/// A request under a key of its client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyedRequest {
    /// Whose, under which key.
    pub key: ReplyKey,
    /// Digest of method, path and body: another request under the same key is refused.
    pub fingerprint: u64,
}

/// Where the answer to a request without a key is remembered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The node that takes requests in.
    pub node: NodeId,
    /// Which of its slots. There are as many as it ever had requests at once.
    pub number: u16,
}

/// Tells one request of a node from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Turn {
    /// Higher than that of any request that the node began before.
    pub sequence: u64,
    /// Random, another one at each start of the node: a data folder that was put back to an older copy counts from
    /// where it was, and must not be given the answers of then.
    pub start: u64,
}

/// The answer in a slot.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Served {
    /// To which request.
    pub turn: Turn,
    /// There since.
    pub since: ClusterTime,
    /// The first answer.
    pub answer: Arc<Answer>,
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

    /// As it is remembered for this request.
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

/// An answer that is kept for retries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Remembered {
    /// Of which request.
    pub fingerprint: u64,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pattern::Pattern;

    #[test]
    fn young_answers_are_forgotten_only_while_all_together_weigh_too_much() {
        // A MiB of paths each, and all the same ones.
        let path = Pattern::parse(&"a".repeat(1 << 10)).unwrap();
        let paths: Arc<[Pattern]> = vec![path; 1 << 10].into();
        let mut state = State::default();
        let most = MAX_REPLY_BYTES / (1 << 20);
        for number in 0..most {
            assert_eq!(state.reply_to_forget(), None, "after {number}");
            let key =
                ReplyKey { engineer: None, key: IdempotencyKey::parse(&format!("key-{number}")).unwrap() };
            let answer = Answer {
                revision: Revision(number as u64),
                outcome: Ok(Reply::Released { paths: paths.clone(), count: 1 << 10 }),
                is_cut: false,
            };
            let (since, expires) = (ClusterTime(0), ClusterTime(1));
            let kept = Remembered { fingerprint: 0, since, expires, answer: Arc::new(answer) };
            state.put_reply(key, Arc::new(kept));
        }
        let oldest = state.reply_to_forget().unwrap().clone();
        assert_eq!(oldest.key.as_str(), "key-0");
        state.forget_reply(&oldest);
        assert_eq!(state.reply_to_forget(), None);
    }

    #[test]
    fn a_flood_of_one_engineer_makes_no_other_one_lose_an_answer() {
        let settings = crate::settings::Settings { replies: 100, ..Default::default() };
        let mut state = State { settings: Arc::new(settings), ..State::default() };
        let remember = |state: &mut State, engineer: u128, number: u64| {
            let engineer = Some(EngineerId(uuid::Uuid::from_u128(engineer)));
            let key = ReplyKey { engineer, key: IdempotencyKey::parse(&format!("key-{number}")).unwrap() };
            let revision = Revision(number);
            let answer = Answer { revision, outcome: Ok(Reply::Done), is_cut: false };
            let expires = ClusterTime(u64::MAX);
            let kept =
                Remembered { fingerprint: 0, since: ClusterTime(0), expires, answer: Arc::new(answer) };
            state.put_reply(key.clone(), Arc::new(kept));
            key
        };
        let first = remember(&mut state, 1, 1);
        for number in 2..1_000 {
            remember(&mut state, 2, number);
        }
        // Those of the last minute stay, however many.
        assert_eq!(state.reply_to_forget(), None);
        state.clock.cluster = ClusterTime(REPLY_FLOOR.0);
        while let Some(key) = state.reply_to_forget().cloned() {
            state.forget_reply(&key);
        }
        assert_eq!(state.replies.len(), 100);
        assert!(state.replies.contains_key(&first), "it is the oldest, and not one of too many");
    }
}
