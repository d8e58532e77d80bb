//! Documents: long texts, which are written and read as a whole. No rule reads them, so the state does not hold them.

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

/// The position of a document in the order of the log. Lists of documents have this order and not that of ids, which
/// are created before it is known which entry is committed first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LogPosition {
    /// The log index of the entry.
    pub revision: Revision,
    /// The position within the entry: 0 for what the cluster wrote before it applied the command, 1 for what the
    /// command wrote.
    pub seq: u32,
}

impl LogPosition {
    /// The position before all documents; none has it.
    pub const FIRST: Self = Self { revision: Revision(0), seq: 0 };

    /// The position of what the command of an entry writes: at most one document in each list.
    pub(crate) const fn of_command(revision: Revision) -> Self {
        Self { revision, seq: 1 }
    }

    /// The position of what the cluster writes before it applies the command: at most one document in each list.
    pub(crate) const fn before_command(revision: Revision) -> Self {
        Self { revision, seq: 0 }
    }

    /// The position after all documents of a revision and of earlier ones.
    pub const fn end_of(revision: Revision) -> Self {
        Self { revision, seq: u32::MAX }
    }

    /// The position right before this one. [`FIRST`](Self::FIRST) is its own.
    pub const fn before(self) -> Self {
        match (self.revision.0, self.seq) {
            (0, 0) => self,
            (revision, 0) => Self::end_of(Revision(revision - 1)),
            (_, seq) => Self { revision: self.revision, seq: seq - 1 },
        }
    }
}

/// The key of a document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DocumentKey {
    /// The spec of a feature.
    Spec(ProjectId, FeatureId),
    /// A checkpoint of the work on a feature.
    Checkpoint(ProjectId, FeatureId, LogPosition),
    /// A learning about a feature.
    Learning(ProjectId, FeatureId, LogPosition),
    /// The text of a decision.
    Decision(ProjectId, LogPosition),
    /// Marks that a decision is about a feature. The text is stored once, as [`Self::Decision`].
    DecisionAbout(ProjectId, FeatureId, LogPosition),
    /// The lists that a feature had from this entry on, until another entry replaced them.
    Lists(ProjectId, FeatureId, Revision),
}

impl DocumentKey {
    /// The project that the document belongs to.
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

    /// The position in its list; `None` for documents that are in no list.
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

/// The cause of a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CheckpointKind {
    /// A client writes one now and then.
    AutoPeriodic,
    /// A person or an agent asked for it.
    Manual,
    /// The cluster wrote it when a session was lost, or a client that came back after a crash.
    CrashRecovery,
}

/// Identifies a state of work: the SHA-256 of the feature's id, the context and the claims. Each is preceded by its
/// length in bytes, as 8 bytes in big-endian order, and the claims also by their number.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHash(pub [u8; 32]);

impl StateHash {
    /// The hash of a context with sorted keys and of claims in any order.
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

/// A checkpoint: a recorded state of the work on a feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The checkpoint's id.
    pub id: CheckpointId,
    /// The session whose work it records.
    pub session: SessionId,
    /// The feature that the work is about.
    pub feature: FeatureId,
    /// The engineer of the session.
    pub engineer: EngineerId,
    /// Whether the session held the feature, or nobody did. Only then did it become the newest one of the feature.
    pub is_of_holder: bool,
    /// The cause of the checkpoint.
    pub kind: CheckpointKind,
    /// The paths that the session held for the feature, sorted.
    pub claims: Arc<[Pattern]>,
    /// The client's own record: the JSON text of an object with sorted keys.
    pub context: Arc<str>,
    /// A note for people.
    pub notes: Option<Arc<str>>,
    /// The wall time of the entry that wrote it.
    pub created_at: WallTime,
    /// The hash of feature, context and claims.
    pub state_hash: StateHash,
}

/// The part of a feature's newest checkpoint that the state stores, so that a repeated one is not stored again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LatestCheckpoint {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature that it is about.
    pub feature: FeatureId,
    /// The checkpoint's id.
    pub id: CheckpointId,
    /// The position in the feature's list.
    pub position: LogPosition,
    /// The hash of what it recorded.
    pub state_hash: StateHash,
}

impl LatestCheckpoint {
    /// The key of its text.
    pub const fn key(&self) -> DocumentKey {
        DocumentKey::Checkpoint(self.project, self.feature, self.position)
    }
}

/// Something that was learned while working on a feature, for later sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Learning {
    /// The learning's id.
    pub id: LearningId,
    /// The feature that it is about.
    pub feature: FeatureId,
    /// The engineer who wrote it.
    pub engineer: EngineerId,
    /// The learning, in Markdown.
    pub content: Arc<str>,
    /// The wall time of the entry that wrote it.
    pub created_at: WallTime,
}

/// A decision about a project. It never changes; a later decision may supersede it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// The decision's id.
    pub id: DecisionId,
    /// The project that it is about.
    pub project: ProjectId,
    /// The feature that it is about, with the slug that it had then. `None` means the whole project.
    pub feature: Option<(FeatureId, Slug)>,
    /// The engineer who wrote it.
    pub engineer: EngineerId,
    /// One line for people.
    pub title: Title,
    /// The decision, in Markdown.
    pub decision: Arc<str>,
    /// The reasons for it.
    pub rationale: Option<Arc<str>>,
    /// The alternatives that were rejected.
    pub alternatives: Option<Arc<str>>,
    /// An earlier decision that this one replaces.
    pub supersedes: Option<DecisionId>,
    /// The wall time of the entry that wrote it.
    pub created_at: WallTime,
    /// The position among the decisions of the project.
    pub position: LogPosition,
}

/// A long text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Document {
    /// The spec of a feature.
    Spec(Arc<str>),
    /// A checkpoint of the work on a feature.
    Checkpoint(Checkpoint),
    /// A learning about a feature.
    Learning(Arc<Learning>),
    /// A decision about a project.
    Decision(Arc<Decision>),
    /// Former lists of a feature: its touches, reads and dependencies.
    Lists(Arc<FeatureLists>),
    /// A document without content, whose key says everything.
    Mark,
}
