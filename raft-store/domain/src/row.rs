//! The rows of the state, as they are stored: one row for each entity.

use crate::{
    document::{LatestCheckpoint, LogPosition},
    entity::{
        ApiKey, Claim, ClaimKey, ClusterOrigin, Engineer, Feature, HistoryStart, JoinToken, KeyPrefix,
        Member, NodeRecord, Project, ProjectDeletion, ReplacedLists, Session, Ticket, TokenDigest,
    },
    ids::{DecisionId, EngineerId, FeatureId, JoinTokenId, NodeId, ProjectId, SessionId},
    reply_cache::{KeyedReply, ReplyKey, ReplySlot, SlottedReply},
    rules::RulesVersion,
    settings::Settings,
    time::{ClusterTime, Revision, WallTime},
    usage::TextCount,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The key of a row. The key of what belongs to a project begins with the project, so that projects can move to Raft
/// groups of their own one day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum RowKey {
    /// The revision and the times of the last applied entry.
    Clock,
    /// The cluster's id and how it began.
    Origin,
    /// The cluster's settings.
    Settings,
    /// A node id that was handed out.
    Node(NodeId),
    /// A join token.
    JoinToken(JoinTokenId),
    /// An engineer of the cluster.
    Engineer(EngineerId),
    /// An API key.
    ApiKey(KeyPrefix),
    /// The cached reply to a request with an idempotency key.
    KeyedReply(ReplyKey),
    /// A project that is not deleted.
    Project(ProjectId),
    /// A membership of an engineer in a project.
    Member(ProjectId, EngineerId),
    /// A feature of a project.
    Feature(ProjectId, FeatureId),
    /// A session that is not over.
    Session(ProjectId, SessionId),
    /// A claim of a session on a path.
    Claim(ClaimKey),
    /// The newest checkpoint of a feature.
    LatestCheckpoint(ProjectId, FeatureId),
    /// The position of a decision.
    Decision(ProjectId, DecisionId),
    /// An unused ticket for an event socket.
    Ticket(TokenDigest),
    /// The version of the rules.
    Rules,
    /// The cached reply in a slot.
    SlottedReply(ReplySlot),
    /// The number and the bytes of an author's texts.
    TextCount(TextKey),
    /// A project that is being deleted.
    ProjectDeletion(ProjectId),
    /// Lists of a feature that an entry replaced.
    ReplacedLists(ProjectId, FeatureId, Revision),
    /// A deleted engineer who has sessions or memberships left.
    EngineerDeletion(EngineerId),
    /// A reset of the history, by the first index of the new one.
    HistoryStart(Revision),
    /// A node that is a replica.
    Replica(NodeId),
}

/// A row of the state.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Row {
    /// The revision and the times of the last applied entry.
    Clock(Clock),
    /// The cluster's id and how it began.
    Origin(Arc<ClusterOrigin>),
    /// The cluster's settings.
    Settings(Arc<Settings>),
    /// A node id that was handed out.
    Node(Arc<NodeRecord>),
    /// A join token.
    JoinToken(Arc<JoinToken>),
    /// An engineer of the cluster.
    Engineer(Arc<Engineer>),
    /// An API key.
    ApiKey(Arc<ApiKey>),
    /// The cached reply to a request with an idempotency key.
    KeyedReply(ReplyKey, Arc<KeyedReply>),
    /// A project that is not deleted.
    Project(Arc<Project>),
    /// A membership of an engineer in a project.
    Member(Arc<Member>),
    /// A feature of a project.
    Feature(Arc<Feature>),
    /// A session that is not over.
    Session(Arc<Session>),
    /// A claim of a session on a path.
    Claim(ClaimKey, Claim),
    /// The newest checkpoint of a feature.
    LatestCheckpoint(LatestCheckpoint),
    /// The position of a decision.
    Decision(ProjectId, DecisionId, LogPosition),
    /// An unused ticket for an event socket.
    Ticket(Arc<Ticket>),
    /// The version of the rules.
    Rules(RulesVersion),
    /// The cached reply in a slot.
    SlottedReply(ReplySlot, Arc<SlottedReply>),
    /// The number and the bytes of an author's texts.
    TextCount(TextKey, TextCount),
    /// A project that is being deleted.
    ProjectDeletion(ProjectDeletion),
    /// Lists of a feature that an entry replaced.
    ReplacedLists(ProjectId, FeatureId, Revision, ReplacedLists),
    /// A deleted engineer who has sessions or memberships left.
    EngineerDeletion(EngineerId),
    /// A reset of the history.
    HistoryStart(Arc<HistoryStart>),
    /// A node that is a replica.
    Replica(NodeId),
}

impl Row {
    /// The key under which the row is stored.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Clock(_) => RowKey::Clock,
            Self::Origin(_) => RowKey::Origin,
            Self::Settings(_) => RowKey::Settings,
            Self::Node(node) => RowKey::Node(node.id),
            Self::JoinToken(token) => RowKey::JoinToken(token.id),
            Self::Engineer(engineer) => RowKey::Engineer(engineer.id),
            Self::ApiKey(key) => RowKey::ApiKey(key.prefix),
            Self::KeyedReply(key, _) => RowKey::KeyedReply(key.clone()),
            Self::Project(project) => RowKey::Project(project.id),
            Self::Member(member) => RowKey::Member(member.project, member.engineer),
            Self::Feature(feature) => RowKey::Feature(feature.project, feature.id),
            Self::Session(session) => RowKey::Session(session.project, session.id),
            Self::Claim(key, _) => RowKey::Claim(key.clone()),
            Self::LatestCheckpoint(latest) => RowKey::LatestCheckpoint(latest.project, latest.feature),
            Self::Decision(project, id, _) => RowKey::Decision(*project, *id),
            Self::Ticket(ticket) => RowKey::Ticket(ticket.digest),
            Self::Rules(_) => RowKey::Rules,
            Self::SlottedReply(slot, _) => RowKey::SlottedReply(*slot),
            Self::TextCount(key, _) => RowKey::TextCount(*key),
            Self::ProjectDeletion(deletion) => RowKey::ProjectDeletion(deletion.project),
            Self::EngineerDeletion(engineer) => RowKey::EngineerDeletion(*engineer),
            Self::HistoryStart(start) => RowKey::HistoryStart(start.from),
            Self::Replica(node) => RowKey::Replica(*node),
            Self::ReplacedLists(project, feature, at, _) => RowKey::ReplacedLists(*project, *feature, *at),
        }
    }
}

/// The revision and the times of the last applied entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Clock {
    /// The log index of the last applied proposal.
    pub revision: Revision,
    /// The cluster time, which never moves back.
    pub cluster: ClusterTime,
    /// The wall time of the last applied proposal. It may move back.
    pub wall: WallTime,
}

/// The key of a text count: the texts of one engineer about a feature, or about a project as a whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TextKey {
    /// The project that the texts belong to.
    pub project: ProjectId,
    /// The feature; `None` for texts about the project as a whole.
    pub feature: Option<FeatureId>,
    /// The engineer who wrote them.
    pub engineer: EngineerId,
}
