//! Claims: which session holds which paths, and why they were released.

use crate::{
    ids::{EngineerId, FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    short_text::Label,
    time::{Fence, WallTime},
};
use serde::{Deserialize, Serialize};

/// The mode in which a session holds a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ClaimMode {
    /// No other session may hold a colliding path.
    Exclusive,
    /// Other sessions may hold colliding paths, but only shared ones.
    Shared,
}

impl ClaimMode {
    /// Whether two sessions may hold colliding paths in these modes.
    pub const fn tolerates(self, other: Self) -> bool {
        matches!((self, other), (Self::Shared, Self::Shared))
    }
}

/// The identity of a claim. A session may hold one path for several features; the path is free once the last of them is
/// over.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ClaimKey {
    /// The project that the path belongs to.
    pub project: ProjectId,
    /// The session that holds the path.
    pub session: SessionId,
    /// The feature that it is held for; `None` for a claim of the session alone.
    pub feature: Option<FeatureId>,
    /// The file, the folder or the glob.
    pub path: Pattern,
}

/// The fields of a claim beside its [`ClaimKey`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Exclusive or shared.
    pub mode: ClaimMode,
    /// The log index of the entry that acquired it.
    pub fence: Fence,
    /// The wall time of that entry.
    pub claimed_at: WallTime,
}

/// Why a feature or a path was released.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ReleaseReason {
    /// The holder released it.
    Released,
    /// The feature was completed.
    Completed,
    /// The feature was cancelled.
    Cancelled,
    /// An update removed the path from the feature.
    Updated,
    /// The holder ended the session.
    SessionEnded,
    /// The lease and the grace of the session ran out.
    Expired,
    /// The holder was removed from the project.
    MemberRemoved,
    /// A lead or an admin released it.
    Forced {
        /// The lead or admin.
        by: EngineerId,
        /// The reason that they gave.
        reason: Label,
    },
    /// The history of the cluster was reset, by a restore or a recovery.
    HistoryReset,
}

/// An amount of claims: those of a session or a project, or those that a command adds or releases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClaimUsage {
    /// The number of claims.
    pub claims: usize,
    /// The bytes of their paths.
    pub bytes: usize,
}

impl ClaimUsage {
    /// The usage of one claim on each of these paths.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let mut usage = Self::default();
        for path in paths {
            usage.add(Self { claims: 1, bytes: path.as_str().len() });
        }
        usage
    }

    /// Adds another usage.
    pub fn add(&mut self, more: Self) {
        self.claims += more.claims;
        self.bytes += more.bytes;
    }
}
