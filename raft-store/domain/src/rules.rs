//! Which version of the rules a cluster goes by. A program that knows newer ones goes by the older ones until
//! every member knows better; so nodes can be upgraded one after the other, and all make the same of the log.
//!
//! Whoever changes what an entry gives, or adds a command, raises [`RulesVersion::KNOWN`] and makes the change depend
//! on [`State::rules`](crate::State::rules).

use crate::command::Command;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A version of the rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesVersion(pub u16);

impl RulesVersion {
    /// Every cluster begins with it.
    pub const FIRST: Self = Self(1);
    /// The newest one that this program knows. It can apply nothing of a later one.
    pub const KNOWN: Self = Self(1);

    /// The version that a cluster can go by: the newest that all of these know, if all are known.
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

impl Command {
    /// The version of the rules that it came with: before, it must not be in the log, which older nodes read.
    pub const fn since(&self) -> RulesVersion {
        // What is added later is named here with its version.
        RulesVersion::FIRST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_goes_by_what_all_members_know() {
        let known = |versions: &[u16]| RulesVersion::of_all(versions.iter().map(|v| Some(RulesVersion(*v))));
        assert_eq!(known(&[1, 1]), Some(RulesVersion(1)));
        assert_eq!(known(&[9, 9]), Some(RulesVersion::KNOWN), "not more than this one knows");
        assert_eq!(known(&[0, 9]), Some(RulesVersion(0)));
        assert_eq!(RulesVersion::of_all([Some(RulesVersion(9)), None]), None, "one is silent");
    }
}
