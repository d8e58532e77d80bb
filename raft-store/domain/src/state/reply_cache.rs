//! The reply cache of the state. It changes without events, since it is about requests and not about the work.

use super::{RowKey, State};
use crate::reply_cache::{
    KeyedReply, MAX_REPLY_BYTES, REPLY_FLOOR, ReplyKey, ReplySlot, SLOT_AGE, SlottedReply,
};
use std::{collections::BTreeSet, sync::Arc};

impl State {
    /// Adds or replaces a keyed reply.
    pub(crate) fn put_keyed_reply(&mut self, key: ReplyKey, cached: Arc<KeyedReply>) {
        if self.keyed_replies.contains_key(&key) {
            self.evict_reply(&key);
        }
        self.reply_index.insert(&key, &cached);
        self.keyed_replies.insert(key, cached);
    }

    /// Removes a keyed reply.
    pub(crate) fn evict_reply(&mut self, key: &ReplyKey) {
        if let Some(cached) = self.keyed_replies.remove(key) {
            self.reply_index.remove(key, &cached);
        }
    }

    /// The keyed reply to evict next. It is the oldest one if that has expired. If there are more replies than the
    /// setting allows, it is the oldest one of the engineer with the most bytes, unless that is younger than
    /// [`REPLY_FLOOR`]; if all replies together exceed [`MAX_REPLY_BYTES`], also when it is younger. An expired reply
    /// stays while an older one with a later expiry is left.
    pub(crate) fn reply_to_evict(&self) -> Option<&ReplyKey> {
        let (index, now) = (&self.reply_index, self.clock.cluster);
        let cached = |key| self.keyed_replies.get(key).expect("the index has the keys of the cached replies");
        let oldest = index.oldest()?;
        if cached(oldest).expires <= now {
            return Some(oldest);
        }
        let is_one_too_many = index.len() as u64 > self.settings.replies;
        if !is_one_too_many && index.bytes() <= MAX_REPLY_BYTES {
            return None;
        }
        let of_heaviest = index.oldest_of_heaviest()?;
        let is_young = now.since(cached(of_heaviest).since) < REPLY_FLOOR;
        (index.bytes() > MAX_REPLY_BYTES || !is_young).then_some(of_heaviest)
    }

    /// Puts a reply into a slot, in place of the one before it.
    pub(crate) fn put_slotted_reply(&mut self, slot: ReplySlot, cached: Arc<SlottedReply>) {
        self.slotted_replies.insert(slot, cached);
    }

    /// Empties the slots that were not used for [`SLOT_AGE`].
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
