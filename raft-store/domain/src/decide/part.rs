//! How much of what is over one entry ends: a bounded part, so that what others write does not wait for it. The rest is
//! ended by the next entries.

use crate::entity::ClaimUsage;

/// How much one entry ends of what is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartLimits {
    /// Claims that are given back.
    pub claims: usize,
    /// Bytes of their paths, and of the features and checkpoints that are written.
    pub bytes: usize,
    /// Facts that tell it.
    pub facts: usize,
    /// Rows of a deleted project.
    pub rows: usize,
}

impl Default for PartLimits {
    /// Some 12 ms of one core: a command of its own, and its budget, come on top.
    fn default() -> Self {
        Self { claims: 2_500, bytes: 1 << 20, facts: 1_000, rows: 2_000 }
    }
}

/// What one entry has ended so far.
pub(crate) struct Part {
    limits: PartLimits,
    load: ClaimUsage,
    facts: usize,
}

impl Part {
    /// Nothing yet.
    pub(crate) fn new(limits: PartLimits) -> Self {
        Self { limits, load: ClaimUsage::default(), facts: 0 }
    }

    /// Whether the rest is for the next entry. A part that is not full takes at least one thing more, whatever it is,
    /// so that each entry gets on.
    pub(crate) const fn is_full(&self) -> bool {
        self.load.claims >= self.limits.claims
            || self.load.bytes >= self.limits.bytes
            || self.facts >= self.limits.facts
    }

    /// Whether nothing was ended yet.
    pub(crate) const fn is_empty(&self) -> bool {
        self.facts == 0
    }

    /// Counts what is given back or written.
    pub(super) fn add(&mut self, load: ClaimUsage) {
        self.load.add(load);
    }

    /// Counts facts.
    pub(super) const fn tell(&mut self, facts: usize) {
        self.facts += facts;
    }
}
