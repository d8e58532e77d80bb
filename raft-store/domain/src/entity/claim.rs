//! Claims: which session holds which paths.

use crate::{
    ids::{FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    time::{Fence, WallTime},
};
use serde::{Deserialize, Serialize};

/// How a path is held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ClaimMode {
    /// By one session alone.
    Exclusive,
    /// Together with other readers.
    Shared,
}

impl ClaimMode {
    /// Whether two sessions may hold colliding paths in these modes.
    pub const fn tolerates(self, other: Self) -> bool {
        matches!((self, other), (Self::Shared, Self::Shared))
    }
}

/// What identifies a claim. A session may hold one path for several features: it is free once the
/// last of them is over.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ClaimKey {
    /// The project.
    pub project: ProjectId,
    /// The holder.
    pub session: SessionId,
    /// For which feature; none for a claim made while working.
    pub feature: Option<FeatureId>,
    /// The paths.
    pub path: Pattern,
}

/// How and since when it is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Alone or shared.
    pub mode: ClaimMode,
    /// Log index of the entry that acquired it.
    pub fence: Fence,
    /// When it was acquired.
    pub claimed_at: WallTime,
}

/// How much is held, or about to be taken or given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClaimUsage {
    /// Claims.
    pub claims: usize,
    /// Bytes of their paths.
    pub bytes: usize,
}

impl ClaimUsage {
    /// That of these paths.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let mut usage = Self::default();
        for path in paths {
            usage.add(Self { claims: 1, bytes: path.as_str().len() });
        }
        usage
    }

    /// Makes it more.
    pub fn add(&mut self, more: Self) {
        self.claims += more.claims;
        self.bytes += more.bytes;
    }
}
