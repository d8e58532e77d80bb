//! Everything that rules need to know, at one revision.
//!
//! A state is one value of persistent ordered maps: a clone costs a few pointers, so a reader or a snapshot keeps its
//! version while apply goes on. `rows` converts it to rows and back, `changes` changes single rows, `queries`
//! reads it; `history_starts` has the resets of the history; `reply_cache` and `texts` have what changes without
//! events of the feed, `reply_index` the order in which replies are evicted.

mod changes;
mod history_starts;
mod queries;
mod reply_cache;
mod reply_index;
mod rows;
mod texts;

pub use rows::RowsError;

use reply_index::ReplyIndex;

use crate::{
    cleanup::CleanupLimits,
    document::{LatestCheckpoint, LogPosition},
    entity::{
        ApiKey, BoardKey, Claim, ClaimKey, ClaimMode, ClusterOrigin, Engineer, Feature, HistoryStart,
        JoinToken, KeyPrefix, Member, NodeRecord, Project, ProjectDeletion, ReplacedLists, Session, Ticket,
        TokenDigest,
    },
    ids::{DecisionId, EngineerId, FeatureId, JoinTokenId, KeyId, NodeId, ProjectId, SessionId},
    pattern::SpelledIndex,
    reply_cache::{KeyedReply, ReplyKey, ReplySlot, SlottedReply},
    row::{Clock, TextKey},
    rules::RulesVersion,
    settings::Settings,
    short_text::{AgentName, Email, Slug},
    time::{ClusterTime, Revision},
    usage::{TextCount, UsageIndex},
};
use imbl::{OrdMap, OrdSet};
use std::sync::Arc;

/// Something that ends at a moment of cluster time unless it is renewed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Deadline {
    /// A session's lease or grace.
    Session(SessionId),
    /// A join token.
    JoinToken(JoinTokenId),
    /// A ticket for an event socket.
    Ticket(TokenDigest),
}

/// The claim behind a path in a project's index: its [`ClaimKey`] without the path, and its mode.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClaimRef {
    /// Exclusive or shared.
    pub mode: ClaimMode,
    /// The session that holds the claim.
    pub session: SessionId,
    /// The feature that it is for; `None` for a claim of the session alone.
    pub feature: Option<FeatureId>,
}

/// Everything that rules need to know, at one revision.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct State {
    // Each entry of these is a row.
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
    /// The parts of checkpoints and decisions that rules compare; their texts are documents.
    pub(crate) latest_checkpoints: OrdMap<(ProjectId, FeatureId), LatestCheckpoint>,
    pub(crate) decisions: OrdMap<(ProjectId, DecisionId), LogPosition>,
    pub(crate) tickets: OrdMap<TokenDigest, Arc<Ticket>>,
    pub(crate) text_counts: OrdMap<TextKey, TextCount>,
    pub(crate) project_deletions: OrdMap<ProjectId, ProjectDeletion>,
    /// Deleted engineers who have sessions or memberships left.
    pub(crate) engineer_deletions: OrdSet<EngineerId>,
    /// Replaced lists of features, by the entry that replaced them.
    pub(crate) replaced_lists: OrdMap<(ProjectId, FeatureId, Revision), ReplacedLists>,
    /// The resets of the history, by the first index of the new one.
    pub(crate) history_starts: OrdMap<Revision, Arc<HistoryStart>>,
    /// The nodes that are replicas: learners that are not promoted by themselves.
    pub(crate) replicas: OrdSet<NodeId>,

    // Indexes: built from the rows.
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

    /// The same on every node; only tests change it.
    pub(crate) cleanup_limits: CleanupLimits,
}
