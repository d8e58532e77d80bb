//! A lock with owners: held by one session exclusively, or by some that share it, each for one reason or more. What is
//! granted to a new owner has a higher fence than everything before.

use std::collections::{BTreeMap, BTreeSet};
use todc_utils::specifications::Specification;

/// Why a session holds a lock.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The session has claimed it.
    Claim,
    /// It has claimed it for this feature: the end of the feature releases it.
    ClaimFor(String),
    /// It has picked this feature.
    Pick(String),
    /// It has picked a feature, nobody knows which.
    SomePick,
}

/// Knowledge of a client, or a change that it may have caused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Taken {
        by: String,
        reason: Reason,
        is_exclusive: bool,
        fence: Option<u64>,
    },
    /// These sessions hold it, among others.
    HeldBy(BTreeSet<String>),
    /// These sessions hold it, and no others.
    HeldOnlyBy(BTreeSet<String>),
    /// A feature is over, of this session or of anybody. `is_maybe` is whether it may be one that nobody knows.
    FeatureOver {
        by: Option<String>,
        feature: String,
        is_maybe: bool,
    },
    ClaimsReleased {
        by: String,
    },
    SessionOver {
        by: String,
    },
    TakenFromAll,
}

/// Knowledge with the time in which it became true. Without an answer it may never have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub called: u64,
    pub returned: Option<u64>,
    pub what: What,
}

/// The state of one lock.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Lock {
    owners: BTreeMap<(String, Reason), bool>,
    fence: u64,
}

impl Specification for Lock {
    type State = Self;
    type Operation = Fact;

    fn init() -> Self {
        Self::default()
    }

    fn apply(fact: &Fact, lock: &Self) -> (bool, Self) {
        match lock.after(&fact.what) {
            Some(after) => (true, after),
            // What may never have happened stands in nobody's way.
            None => (fact.returned.is_none(), lock.clone()),
        }
    }
}

impl Lock {
    fn after(&self, what: &What) -> Option<Self> {
        let mut lock = self.clone();
        match what {
            What::Taken { by, reason, is_exclusive, fence } => {
                let is_own = self.owners.keys().any(|(owner, _)| owner == by);
                let others = || self.owners.iter().filter(|((owner, _), _)| owner != by);
                if others().any(|(_, is_held_alone)| *is_exclusive || *is_held_alone) {
                    return None;
                }
                if let Some(fence) = *fence {
                    if fence <= self.fence && !is_own {
                        return None;
                    }
                    lock.fence = fence.max(self.fence);
                }
                let kept = lock.owners.entry((by.clone(), reason.clone())).or_insert(false);
                *kept = *kept || *is_exclusive;
            }
            What::HeldBy(sessions) => {
                if !sessions.iter().all(|by| self.owners.keys().any(|(owner, _)| owner == by)) {
                    return None;
                }
            }
            What::HeldOnlyBy(sessions) => {
                let owners: BTreeSet<String> = self.owners.keys().map(|(owner, _)| owner.clone()).collect();
                if owners != *sessions {
                    return None;
                }
            }
            What::FeatureOver { by, feature, is_maybe } => lock.owners.retain(|(owner, reason), _| {
                let is_of = match reason {
                    Reason::Claim => false,
                    Reason::ClaimFor(of) | Reason::Pick(of) => of == feature && !*is_maybe,
                    Reason::SomePick => *is_maybe,
                };
                !is_of || by.as_ref().is_some_and(|by| by != owner)
            }),
            What::ClaimsReleased { by } => lock.owners.retain(|(owner, reason), _| {
                owner != by || matches!(reason, Reason::Pick(_) | Reason::SomePick)
            }),
            What::SessionOver { by } => lock.owners.retain(|(owner, _), _| owner != by),
            What::TakenFromAll => lock.owners.clear(),
        }
        Some(lock)
    }
}
