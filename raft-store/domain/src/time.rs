//! The three measures of "when": revisions, cluster time and wall time. Never reads a clock.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A Raft log index: the position of the entry that an answer or an event reflects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The log index of the entry that acquired a claim. It only grows, so that whoever guards a
/// resource can refuse an older holder (fencing token: Kleppmann, "How to do distributed locking").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl From<Revision> for Fence {
    fn from(revision: Revision) -> Self {
        Self(revision.0)
    }
}

/// A span of time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }
}

/// The cluster's own clock, in milliseconds since the cluster was formed. Carried in log entries,
/// never moving back; leases are measured in it alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterTime(pub u64);

impl ClusterTime {
    /// This moment plus a span; stays at the end of time instead of wrapping.
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to this moment; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

/// Wall time for people to read, in milliseconds since the Unix epoch. No rule depends on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// This moment plus a span; stays at the end of time instead of wrapping.
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

/// When the leader proposed an entry, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// The leader's cluster time; apply takes the maximum of it and its own.
    pub cluster: ClusterTime,
    /// The leader's wall time.
    pub wall: WallTime,
}
