//! The version of the rules that a cluster applies. A program that knows newer rules applies the older ones until every
//! member knows the newer ones. So nodes can be upgraded one after the other, and all of them compute the same state.
//!
//! A change of what an entry does, and a new command, raise [`RulesVersion::KNOWN`] and depend on
//! [`State::rules`](crate::State::rules).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A version of the rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesVersion(pub u16);

impl RulesVersion {
    /// The version that every cluster begins with.
    pub const FIRST: Self = Self(1);
    /// The version from which on admins and leads give new API keys.
    pub const SECOND: Self = Self(2);
    /// The version from which on keys for one project have a limit of their own.
    pub const THIRD: Self = Self(3);
    /// The version from which on a history can be reset, by a restore or a recovery.
    pub const FOURTH: Self = Self(4);
    /// The version from which on a node can be a replica.
    pub const FIFTH: Self = Self(5);
    /// The newest version that this program knows. It cannot apply entries of a later one.
    pub const KNOWN: Self = Self::FIFTH;

    /// The newest version that all of these members know; `None` if the version of one of them is unknown.
    pub fn of_all(members: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        members.into_iter().try_fold(Self::KNOWN, |least, known| Some(least.min(known?)))
    }
}

impl Default for RulesVersion {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_applies_the_rules_that_all_members_know() {
        let known = |versions: &[u16]| RulesVersion::of_all(versions.iter().map(|v| Some(RulesVersion(*v))));
        assert_eq!(known(&[1, 1]), Some(RulesVersion(1)));
        assert_eq!(known(&[9, 9]), Some(RulesVersion::KNOWN), "not more than this one knows");
        assert_eq!(known(&[0, 9]), Some(RulesVersion(0)));
        assert_eq!(RulesVersion::of_all([Some(RulesVersion(9)), None]), None, "one is silent");
    }
}
