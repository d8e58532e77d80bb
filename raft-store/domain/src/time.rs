//! Revisions, cluster time and wall time. Nothing here reads a clock.

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

/// The log index of the entry that acquired a claim. It only grows, so that the guard of a resource can refuse an
/// older holder (fencing token: Kleppmann, "How to do distributed locking").
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

/// The cluster's own clock, in milliseconds since the cluster was formed. Log entries carry it, and it never moves
/// back. Leases are measured in cluster time alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterTime(pub u64);

impl ClusterTime {
    /// This moment plus a span, saturating.
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

/// Wall time, in milliseconds since the Unix epoch: the median of the clocks of the cluster's nodes. It may move back.
/// It is shown to people, and API keys expire by it; leases never do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// This moment plus a span, saturating.
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

/// The cluster time and the wall time at which the leader proposed an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// The leader's cluster time. Apply takes the maximum of it and the state's.
    pub cluster: ClusterTime,
    /// The leader's wall time. Apply takes it as it is.
    pub wall: WallTime,
}
