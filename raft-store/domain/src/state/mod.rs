//! Everything that rules need to know, at one revision.
//!
//! One immutable value of persistent ordered maps: a clone costs a few pointers, so a reader or a
//! snapshot keeps a version while apply goes on. [`rows`] says how it is written down, [`evolve`]
//! how events change it, [`queries`] how it is read.

mod evolve;
mod queries;
mod reply_cache;
mod rows;
mod texts;

pub use rows::{Row, RowKey, RowsError};

use reply_cache::ReplyIndex;

use crate::{
    decide::CleanupLimits,
    document::{LatestCheckpoint, LogPosition},
    entity::{
        ApiKey, BoardKey, Claim, ClaimKey, ClaimMode, ClusterOrigin, Engineer, Feature, JoinToken, KeyPrefix,
        Member, NodeRecord, Project, ProjectDeletion, ReplacedLists, Session, Ticket, TokenDigest,
    },
    ids::{DecisionId, EngineerId, FeatureId, JoinTokenId, KeyId, NodeId, ProjectId, SessionId},
    pattern::SpelledIndex,
    reply_cache::{KeyedReply, ReplyKey, ReplySlot, SlottedReply},
    rules::RulesVersion,
    settings::Settings,
    short_text::{AgentName, Email, Slug},
    time::{ClusterTime, Revision, WallTime},
    usage::{TextCount, UsageIndex},
};
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the state stands: the last applied entry and its times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Clock {
    /// Log index of the last applied proposal.
    pub revision: Revision,
    /// The cluster's time; never moves back.
    pub cluster: ClusterTime,
    /// Wall time of the last applied proposal, for people.
    pub wall: WallTime,
}

/// A moment at which something ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Deadline {
    /// A session's lease or grace.
    Session(SessionId),
    /// An invitation.
    JoinToken(JoinTokenId),
    /// A ticket.
    Ticket(TokenDigest),
}

/// What holds a path in the index of a project.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClaimRef {
    /// Alone or shared.
    pub mode: ClaimMode,
    /// By whom.
    pub session: SessionId,
    /// For what.
    pub feature: Option<FeatureId>,
}

/// Whose texts are counted together: those of an engineer about a feature, or about a project as a whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TextKey {
    /// The project.
    pub project: ProjectId,
    /// The feature.
    pub feature: Option<FeatureId>,
    /// Who wrote them.
    pub engineer: EngineerId,
}

/// Everything that rules need to know, at one revision.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct State {
    // What is kept: each of these has rows.
    pub(crate) clock: Clock,
    pub(crate) rules: RulesVersion,
    pub(crate) origin: Option<Arc<ClusterOrigin>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) nodes: OrdMap<NodeId, Arc<NodeRecord>>,
    pub(crate) join_tokens: OrdMap<JoinTokenId, Arc<JoinToken>>,
    pub(crate) engineers: OrdMap<EngineerId, Arc<Engineer>>,
    pub(crate) api_keys: OrdMap<KeyPrefix, Arc<ApiKey>>,
    pub(crate) projects: OrdMap<ProjectId, Arc<Project>>,
    pub(crate) members: OrdMap<(ProjectId, EngineerId), Arc<Member>>,
    pub(crate) features: OrdMap<(ProjectId, FeatureId), Arc<Feature>>,
    pub(crate) sessions: OrdMap<SessionId, Arc<Session>>,
    pub(crate) claims: OrdMap<ClaimKey, Claim>,
    pub(crate) keyed_replies: OrdMap<ReplyKey, Arc<KeyedReply>>,
    pub(crate) slotted_replies: OrdMap<ReplySlot, Arc<SlottedReply>>,
    /// Of texts that are documents: only what the next one must be compared with.
    pub(crate) latest_checkpoints: OrdMap<(ProjectId, FeatureId), LatestCheckpoint>,
    pub(crate) decisions: OrdMap<(ProjectId, DecisionId), LogPosition>,
    pub(crate) tickets: OrdMap<TokenDigest, Arc<Ticket>>,
    pub(crate) text_counts: OrdMap<TextKey, TextCount>,
    pub(crate) project_deletions: OrdMap<ProjectId, ProjectDeletion>,
    /// Engineers who were deleted and have sessions or places in projects left.
    pub(crate) engineer_deletions: OrdSet<EngineerId>,
    /// By the entry that replaced them.
    pub(crate) replaced_lists: OrdMap<(ProjectId, FeatureId, Revision), ReplacedLists>,

    // Indexes: made anew from what is kept.
    pub(crate) emails: OrdMap<Email, EngineerId>,
    pub(crate) keys_by_engineer: OrdMap<(EngineerId, KeyId), KeyPrefix>,
    pub(crate) keys_by_project: OrdSet<(ProjectId, KeyPrefix)>,
    pub(crate) project_slugs: OrdMap<Slug, ProjectId>,
    pub(crate) projects_by_engineer: OrdSet<(EngineerId, ProjectId)>,
    pub(crate) feature_slugs: OrdMap<(ProjectId, Slug), FeatureId>,
    pub(crate) board: OrdSet<BoardKey>,
    pub(crate) ready: OrdSet<BoardKey>,
    pub(crate) active_by_session: OrdSet<(SessionId, FeatureId)>,
    pub(crate) sessions_by_agent: OrdMap<(ProjectId, EngineerId, Option<AgentName>), SessionId>,
    pub(crate) sessions_by_engineer: OrdSet<(EngineerId, SessionId)>,
    pub(crate) paths: OrdMap<ProjectId, SpelledIndex<ClaimRef>>,
    pub(crate) usage: UsageIndex,
    pub(crate) replaced_lists_by_age: OrdSet<(Revision, ProjectId, FeatureId)>,
    pub(crate) deadlines: OrdSet<(ClusterTime, Deadline)>,
    pub(crate) reply_index: ReplyIndex,

    /// The same on every node: only tests change it.
    pub(crate) cleanup_limits: CleanupLimits,
}
