//! Which answers are remembered for retries. Kept apart from events: they are about requests, not about the work.

use super::{RowKey, State};
use crate::{
    ids::EngineerId,
    reply_cache::{KeyedReply, MAX_REPLY_BYTES, REPLY_FLOOR, ReplyKey, ReplySlot, SLOT_AGE, SlottedReply},
    time::Revision,
};
use imbl::{OrdMap, OrdSet};
use std::{collections::BTreeSet, sync::Arc};

/// The remembered answers to keys in the order in which they are forgotten, and whose weigh most: where there are too
/// many, who has most of them loses one, so that nobody's flood makes others' retries be carried out twice.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ReplyIndex {
    by_age: OrdSet<(Revision, ReplyKey)>,
    by_engineer: OrdMap<Option<EngineerId>, OfEngineer>,
    by_bytes: OrdSet<(usize, Option<EngineerId>)>,
    /// What all of them weigh together.
    bytes: usize,
}

/// Those of one engineer, or of all who have no key.
#[derive(Clone, PartialEq, Debug, Default)]
struct OfEngineer {
    by_age: OrdSet<(Revision, ReplyKey)>,
    bytes: usize,
}

impl ReplyIndex {
    fn insert(&mut self, key: &ReplyKey, cached: &KeyedReply) {
        let (aged, weight) = ((cached.answer.revision, key.clone()), cached.weight());
        self.bytes += weight;
        let of_engineer = self.by_engineer.entry(key.engineer).or_default();
        self.by_bytes.remove(&(of_engineer.bytes, key.engineer));
        of_engineer.bytes += weight;
        self.by_bytes.insert((of_engineer.bytes, key.engineer));
        of_engineer.by_age.insert(aged.clone());
        self.by_age.insert(aged);
    }

    fn remove(&mut self, key: &ReplyKey, cached: &KeyedReply) {
        let (aged, weight) = ((cached.answer.revision, key.clone()), cached.weight());
        self.bytes -= weight;
        let of_engineer = self.by_engineer.entry(key.engineer).or_default();
        self.by_bytes.remove(&(of_engineer.bytes, key.engineer));
        of_engineer.bytes -= weight;
        of_engineer.by_age.remove(&aged);
        // Who has none has no entry: the index is a function of the rows alone.
        if of_engineer.by_age.is_empty() {
            self.by_engineer.remove(&key.engineer);
        } else {
            self.by_bytes.insert((of_engineer.bytes, key.engineer));
        }
        self.by_age.remove(&aged);
    }

    /// The oldest answer of whoever's weigh most.
    fn oldest_of_heaviest(&self) -> Option<&ReplyKey> {
        let (_, engineer) = self.by_bytes.get_max()?;
        self.by_engineer.get(engineer)?.by_age.get_min().map(|(_, key)| key)
    }
}

impl State {
    /// Remembers an answer.
    pub(crate) fn put_keyed_reply(&mut self, key: ReplyKey, cached: Arc<KeyedReply>) {
        if self.keyed_replies.contains_key(&key) {
            self.evict_reply(&key);
        }
        self.reply_index.insert(&key, &cached);
        self.keyed_replies.insert(key, cached);
    }

    /// Forgets an answer.
    pub(crate) fn evict_reply(&mut self, key: &ReplyKey) {
        if let Some(cached) = self.keyed_replies.remove(key) {
            self.reply_index.remove(key, &cached);
        }
    }

    /// The answer to forget next: the oldest one, when its time is over; or the oldest of whoever has most, when there
    /// are too many and it is not young, or when all together weigh too much. What was to be kept for longer holds back
    /// what came after it, until its own end.
    pub(crate) fn reply_to_evict(&self) -> Option<&ReplyKey> {
        let (index, now) = (&self.reply_index, self.clock.cluster);
        let cached =
            |key| self.keyed_replies.get(key).expect("the index is that of the answers that are cached");
        let (_, oldest) = index.by_age.get_min()?;
        if cached(oldest).expires <= now {
            return Some(oldest);
        }
        let is_one_too_many = index.by_age.len() as u64 > self.settings.replies;
        if !is_one_too_many && index.bytes <= MAX_REPLY_BYTES {
            return None;
        }
        let of_heaviest = index.oldest_of_heaviest()?;
        let is_young = now.since(cached(of_heaviest).since) < REPLY_FLOOR;
        (index.bytes > MAX_REPLY_BYTES || !is_young).then_some(of_heaviest)
    }

    /// Remembers an answer in place of the one before it.
    pub(crate) fn put_slotted_reply(&mut self, slot: ReplySlot, cached: Arc<SlottedReply>) {
        self.slotted_replies.insert(slot, cached);
    }

    /// Forgets what no node asks for any more.
    pub(crate) fn evict_old_slots(&mut self, touched: &mut BTreeSet<RowKey>) {
        let now = self.clock.cluster;
        let is_old = |cached: &SlottedReply| now.since(cached.since) >= SLOT_AGE;
        let old: Vec<ReplySlot> =
            self.slotted_replies.iter().filter(|(_, cached)| is_old(cached)).map(|(slot, _)| *slot).collect();
        for slot in old {
            self.slotted_replies.remove(&slot);
            touched.insert(RowKey::SlottedReply(slot));
        }
    }
}
