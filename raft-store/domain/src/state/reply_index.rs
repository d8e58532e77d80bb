//! The order in which keyed replies are evicted from the reply cache. It is an index: a function of the rows alone.

use crate::{
    ids::EngineerId,
    reply_cache::{KeyedReply, ReplyKey},
    time::Revision,
};
use imbl::{OrdMap, OrdSet};

/// The keyed replies in the order of their eviction, and by engineer. When there are too many, the engineer with the
/// most bytes loses the oldest one, so that one client's flood cannot evict the replies that others may still need.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ReplyIndex {
    by_age: OrdSet<(Revision, ReplyKey)>,
    by_engineer: OrdMap<Option<EngineerId>, OfEngineer>,
    by_bytes: OrdSet<(usize, Option<EngineerId>)>,
    /// The bytes of all keyed replies.
    bytes: usize,
}

/// The keyed replies of one engineer, or of all anonymous clients.
#[derive(Clone, PartialEq, Debug, Default)]
struct OfEngineer {
    by_age: OrdSet<(Revision, ReplyKey)>,
    bytes: usize,
}

impl ReplyIndex {
    pub(super) fn insert(&mut self, key: &ReplyKey, cached: &KeyedReply) {
        let (aged, weight) = ((cached.answer.revision, key.clone()), cached.weight());
        self.bytes += weight;
        let of_engineer = self.by_engineer.entry(key.engineer).or_default();
        self.by_bytes.remove(&(of_engineer.bytes, key.engineer));
        of_engineer.bytes += weight;
        self.by_bytes.insert((of_engineer.bytes, key.engineer));
        of_engineer.by_age.insert(aged.clone());
        self.by_age.insert(aged);
    }

    pub(super) fn remove(&mut self, key: &ReplyKey, cached: &KeyedReply) {
        let (aged, weight) = ((cached.answer.revision, key.clone()), cached.weight());
        self.bytes -= weight;
        let of_engineer = self.by_engineer.entry(key.engineer).or_default();
        self.by_bytes.remove(&(of_engineer.bytes, key.engineer));
        of_engineer.bytes -= weight;
        of_engineer.by_age.remove(&aged);
        // An engineer without replies has no entry, so that the index is a function of the rows alone.
        if of_engineer.by_age.is_empty() {
            self.by_engineer.remove(&key.engineer);
        } else {
            self.by_bytes.insert((of_engineer.bytes, key.engineer));
        }
        self.by_age.remove(&aged);
    }

    /// The oldest reply of the engineer with the most bytes.
    pub(super) fn oldest_of_heaviest(&self) -> Option<&ReplyKey> {
        let (_, engineer) = self.by_bytes.get_max()?;
        self.by_engineer.get(engineer)?.by_age.get_min().map(|(_, key)| key)
    }

    /// The oldest reply of all.
    pub(super) fn oldest(&self) -> Option<&ReplyKey> {
        self.by_age.get_min().map(|(_, key)| key)
    }

    /// The number of keyed replies.
    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// The bytes of all keyed replies.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
