//! Long texts: written and read whole, never looked at by a rule, so never held in memory.

use crate::{
    entity::FeatureLists,
    ids::{CheckpointId, DecisionId, EngineerId, FeatureId, LearningId, ProjectId, SessionId},
    pattern::Pattern,
    short_text::{Slug, Title},
    time::{Revision, WallTime},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};

/// Where something stands in the order of the log. Lists are kept in this order and not in that of
/// ids, which are minted before it is known what is committed first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LogPosition {
    /// The log index.
    pub revision: Revision,
    /// What the entry itself asked for comes after what ended before it.
    pub seq: u32,
}

impl LogPosition {
    /// Before everything: nothing is here.
    pub const FIRST: Self = Self { revision: Revision(0), seq: 0 };

    /// Of what an entry asked for: there is one such thing in it.
    pub(crate) const fn asked_for(revision: Revision) -> Self {
        Self { revision, seq: 1 }
    }

    /// Of what the cluster writes before it looks at the entry: one thing a list.
    pub(crate) const fn ended_before(revision: Revision) -> Self {
        Self { revision, seq: 0 }
    }

    /// After everything of a revision and of those before it.
    pub const fn end_of(revision: Revision) -> Self {
        Self { revision, seq: u32::MAX }
    }

    /// The place right before this one; the first, where nothing is, stays where it is.
    pub const fn before(self) -> Self {
        match (self.revision.0, self.seq) {
            (0, 0) => self,
            (revision, 0) => Self::end_of(Revision(revision - 1)),
            (_, seq) => Self { revision: self.revision, seq: seq - 1 },
        }
    }
}

/// Where a document is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DocumentKey {
    /// The spec of a feature.
    Spec(ProjectId, FeatureId),
    /// A checkpoint of the work on a feature.
    Checkpoint(ProjectId, FeatureId, LogPosition),
    /// Something that was learned while working on a feature.
    Learning(ProjectId, FeatureId, LogPosition),
    /// A decision.
    Decision(ProjectId, LogPosition),
    /// That a decision is about a feature; its text is kept once, as [`Self::Decision`].
    DecisionAbout(ProjectId, FeatureId, LogPosition),
    /// The lists that a feature had from this entry on, until others took their place.
    Lists(ProjectId, FeatureId, Revision),
}

impl DocumentKey {
    /// The project it belongs to.
    pub const fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Spec(project, _)
            | Self::Lists(project, ..)
            | Self::Checkpoint(project, ..)
            | Self::Learning(project, ..)
            | Self::Decision(project, _)
            | Self::DecisionAbout(project, ..) => Some(*project),
        }
    }

    /// Its place in its list; none for what is in no list.
    pub const fn position(&self) -> Option<LogPosition> {
        match self {
            Self::Spec(..) | Self::Lists(..) => None,
            Self::Checkpoint(_, _, position)
            | Self::Learning(_, _, position)
            | Self::Decision(_, position)
            | Self::DecisionAbout(_, _, position) => Some(*position),
        }
    }
}

/// Why a checkpoint was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CheckpointKind {
    /// By a client, now and then.
    AutoPeriodic,
    /// By a person or an agent.
    Manual,
    /// By the cluster, when a session was lost, or by a client that came back after a crash.
    CrashRecovery,
}

/// Tells one state of work from another: SHA-256 of the feature's id, the context and the claims,
/// each behind its length in bytes (8 of them, big-endian) and the claims behind their number too.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHash(pub [u8; 32]);

impl StateHash {
    /// Of a context whose keys are sorted and of claims in any order.
    pub fn of(feature: FeatureId, context: &str, claims: &[Pattern]) -> Self {
        let mut sorted: Vec<&str> = claims.iter().map(Pattern::as_str).collect();
        sorted.sort_unstable();
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(feature.0.as_bytes());
        add(context.as_bytes());
        add(&(sorted.len() as u64).to_be_bytes());
        for path in sorted {
            add(path.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateHash({self})")
    }
}

/// A recorded state of work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Identity.
    pub id: CheckpointId,
    /// Whose work.
    pub session: SessionId,
    /// On what.
    pub feature: FeatureId,
    /// For whom.
    pub engineer: EngineerId,
    /// Whether the session held the feature, or nobody did. Only then it could become the newest one.
    pub is_of_holder: bool,
    /// Why.
    pub kind: CheckpointKind,
    /// The paths that the session held for the feature, sorted.
    pub claims: Arc<[Pattern]>,
    /// What the client said about it: the JSON text of an object, its keys sorted.
    pub context: Arc<str>,
    /// A note for people.
    pub notes: Option<Arc<str>>,
    /// When.
    pub created_at: WallTime,
    /// Of feature, context and claims.
    pub state_hash: StateHash,
}

/// The newest checkpoint of a feature, as rules know it: what a client repeats is not kept twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LatestCheckpoint {
    /// The project.
    pub project: ProjectId,
    /// The feature.
    pub feature: FeatureId,
    /// Identity.
    pub id: CheckpointId,
    /// Its place in the feature's list.
    pub position: LogPosition,
    /// What it recorded.
    pub state_hash: StateHash,
}

impl LatestCheckpoint {
    /// Where its text is.
    pub const fn key(&self) -> DocumentKey {
        DocumentKey::Checkpoint(self.project, self.feature, self.position)
    }
}

/// Something that was learned while working on a feature, for whoever comes next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Learning {
    /// Identity.
    pub id: LearningId,
    /// The feature.
    pub feature: FeatureId,
    /// Who tells it.
    pub engineer: EngineerId,
    /// The text.
    pub content: Arc<str>,
    /// When.
    pub created_at: WallTime,
}

/// Something that was decided about a project. Never changed: another one supersedes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// Identity.
    pub id: DecisionId,
    /// The project.
    pub project: ProjectId,
    /// The feature it is about, by id and by the slug that it had.
    pub feature: Option<(FeatureId, Slug)>,
    /// Who wrote it down.
    pub engineer: EngineerId,
    /// One line.
    pub title: Title,
    /// What was decided.
    pub decision: Arc<str>,
    /// Why.
    pub rationale: Option<Arc<str>>,
    /// Instead of what.
    pub alternatives: Option<Arc<str>>,
    /// The decision whose place it takes.
    pub supersedes: Option<DecisionId>,
    /// When.
    pub created_at: WallTime,
    /// Its place among the decisions of the project.
    pub position: LogPosition,
}

/// A long text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Document {
    /// The spec of a feature.
    Spec(Arc<str>),
    /// A checkpoint.
    Checkpoint(Checkpoint),
    /// A learning.
    Learning(Arc<Learning>),
    /// A decision.
    Decision(Arc<Decision>),
    /// What a feature once touched, read and depended on.
    Lists(Arc<FeatureLists>),
    /// Only that its key is there.
    Mark,
}
