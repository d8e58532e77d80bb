//! The reply cache of the state. It changes without events, since it is about requests and not about the work.

use super::State;
use crate::{
    entity::Feature,
    refusal::Refusal,
    reply::Reply,
    reply_cache::{
        Answer, KeyedReply, MAX_REPLY_BYTES, REPLY_FLOOR, ReplyKey, ReplySlot, SLOT_AGE, SlottedReply,
    },
    row::RowKey,
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

impl Answer {
    /// The reply, with the paths that were cut out of it filled in from the current state.
    ///
    /// # Errors
    /// The refusal.
    pub fn into_outcome(self, state: &State) -> Result<Reply, Refusal> {
        match self.outcome {
            Ok(reply) if self.is_cut => Ok(completed(reply, state)),
            outcome => outcome,
        }
    }
}

/// The reply with the paths that were cut, as the state has them now.
fn completed(reply: Reply, state: &State) -> Reply {
    match reply {
        Reply::Feature(feature) => Reply::Feature(with_paths(state, &feature)),
        Reply::Picked { feature, session } => Reply::Picked { feature: with_paths(state, &feature), session },
        Reply::Held { session, .. } => Reply::Held { paths: state.paths_of(&session), session },
        other => other,
    }
}

fn with_paths(state: &State, feature: &Arc<Feature>) -> Arc<Feature> {
    match state.feature(feature.project, feature.id) {
        Some(now) => Arc::new(Feature {
            touches: now.touches.clone(),
            reads: now.reads.clone(),
            ..Feature::clone(feature)
        }),
        None => feature.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        ids::EngineerId,
        pattern::Pattern,
        short_text::IdempotencyKey,
        time::{ClusterTime, Revision},
    };

    #[test]
    fn young_answers_are_forgotten_only_while_all_together_weigh_too_much() {
        // A MiB of paths each, and all the same ones.
        let path = Pattern::parse(&"a".repeat(1 << 10)).unwrap();
        let paths: Arc<[Pattern]> = vec![path; 1 << 10].into();
        let mut state = State::default();
        let most = MAX_REPLY_BYTES / (1 << 20);
        for number in 0..most {
            assert_eq!(state.reply_to_evict(), None, "after {number}");
            let key =
                ReplyKey { engineer: None, key: IdempotencyKey::parse(&format!("key-{number}")).unwrap() };
            let answer = Answer {
                revision: Revision(number as u64),
                outcome: Ok(Reply::Released { paths: paths.clone(), count: 1 << 10 }),
                is_cut: false,
            };
            let (since, expires) = (ClusterTime(0), ClusterTime(1));
            let cached = KeyedReply { fingerprint: 0, since, expires, answer: Arc::new(answer) };
            state.put_keyed_reply(key, Arc::new(cached));
        }
        let oldest = state.reply_to_evict().unwrap().clone();
        assert_eq!(oldest.key.as_str(), "key-0");
        state.evict_reply(&oldest);
        assert_eq!(state.reply_to_evict(), None);
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
            let cached =
                KeyedReply { fingerprint: 0, since: ClusterTime(0), expires, answer: Arc::new(answer) };
            state.put_keyed_reply(key.clone(), Arc::new(cached));
            key
        };
        let first = remember(&mut state, 1, 1);
        for number in 2..1_000 {
            remember(&mut state, 2, number);
        }
        // Replies of the last minute stay, however many there are.
        assert_eq!(state.reply_to_evict(), None);
        state.clock.cluster = ClusterTime(REPLY_FLOOR.0);
        while let Some(key) = state.reply_to_evict().cloned() {
            state.evict_reply(&key);
        }
        assert_eq!(state.keyed_replies.len(), 100);
        assert!(
            state.keyed_replies.contains_key(&first),
            "it is the oldest reply, but its engineer has only one"
        );
    }
}
