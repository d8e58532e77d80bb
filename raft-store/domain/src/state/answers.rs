//! Which answers are remembered for retries. Kept apart from events: they are about requests, not about the work.

use super::{RowKey, State};
use crate::{
    ids::EngineerId,
    replies::{MAX_REPLY_BYTES, REPLY_FLOOR, Remembered, ReplyKey, SLOT_AGE, Served, Slot},
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
    fn insert(&mut self, key: &ReplyKey, kept: &Remembered) {
        let (aged, weight) = ((kept.answer.revision, key.clone()), kept.weight());
        self.bytes += weight;
        let of_engineer = self.by_engineer.entry(key.engineer).or_default();
        self.by_bytes.remove(&(of_engineer.bytes, key.engineer));
        of_engineer.bytes += weight;
        self.by_bytes.insert((of_engineer.bytes, key.engineer));
        of_engineer.by_age.insert(aged.clone());
        self.by_age.insert(aged);
    }

    fn remove(&mut self, key: &ReplyKey, kept: &Remembered) {
        let (aged, weight) = ((kept.answer.revision, key.clone()), kept.weight());
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
    pub(crate) fn put_reply(&mut self, key: ReplyKey, kept: Arc<Remembered>) {
        if self.replies.contains_key(&key) {
            self.forget_reply(&key);
        }
        self.reply_index.insert(&key, &kept);
        self.replies.insert(key, kept);
    }

    /// Forgets an answer.
    pub(crate) fn forget_reply(&mut self, key: &ReplyKey) {
        if let Some(kept) = self.replies.remove(key) {
            self.reply_index.remove(key, &kept);
        }
    }

    /// The answer to forget next: the oldest one, when its time is over; or the oldest of whoever has most, when there
    /// are too many and it is not young, or when all together weigh too much. What was to be kept for longer holds back
    /// what came after it, until its own end.
    pub(crate) fn reply_to_forget(&self) -> Option<&ReplyKey> {
        let (index, now) = (&self.reply_index, self.clock.cluster);
        let kept = |key| self.replies.get(key).expect("the index is that of the answers that are kept");
        let (_, oldest) = index.by_age.get_min()?;
        if kept(oldest).expires <= now {
            return Some(oldest);
        }
        let is_one_too_many = index.by_age.len() as u64 > self.settings.replies;
        if !is_one_too_many && index.bytes <= MAX_REPLY_BYTES {
            return None;
        }
        let of_heaviest = index.oldest_of_heaviest()?;
        let is_young = now.since(kept(of_heaviest).since) < REPLY_FLOOR;
        (index.bytes > MAX_REPLY_BYTES || !is_young).then_some(of_heaviest)
    }

    /// Remembers an answer in place of the one before it.
    pub(crate) fn put_served(&mut self, slot: Slot, served: Arc<Served>) {
        self.slots.insert(slot, served);
    }

    /// Forgets what no node asks for any more.
    pub(crate) fn forget_old_slots(&mut self, touched: &mut BTreeSet<RowKey>) {
        let now = self.clock.cluster;
        let is_old = |served: &Served| now.since(served.since) >= SLOT_AGE;
        let old: Vec<Slot> =
            self.slots.iter().filter(|(_, served)| is_old(served)).map(|(slot, _)| *slot).collect();
        for slot in old {
            self.slots.remove(&slot);
            touched.insert(RowKey::Slot(slot));
        }
    }
}
