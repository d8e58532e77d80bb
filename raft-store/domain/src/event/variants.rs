//! All events, each with its project.

use super::{FeatureField, FieldValue};
use crate::{
    document::{Decision, LatestCheckpoint, Learning},
    entity::{
        ApiKey, ClaimMode, ClusterOrigin, Engineer, Feature, HistoryStart, Holder, JoinToken, Member,
        NodeRecord, Project, ProjectDeletion, ReleaseReason, ReplacedLists, Session, Ticket,
    },
    ids::{ClusterId, EngineerId, FeatureId, NodeId, ProjectId},
    pattern::Pattern,
    row::RowKey,
    rules::RulesVersion,
    settings::Settings,
    time::{Fence, Revision, WallTime},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A past fact. It carries whole entities as they are after the event, so that folding it is a plain put.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The cluster was formed.
    ClusterFormed {
        /// The cluster's id, and the digest of its bootstrap token.
        origin: Arc<ClusterOrigin>,
        /// The initial voters.
        nodes: Vec<Arc<NodeRecord>>,
    },
    /// The first admin registered; the bootstrap token is used up.
    BootstrapTokenUsed,
    /// A node id was handed out.
    NodeAdmitted(Arc<NodeRecord>),
    /// A join token was created.
    JoinTokenCreated(Arc<JoinToken>),
    /// A join token expired.
    JoinTokenExpired(Arc<JoinToken>),
    /// The settings changed.
    SettingsChanged(Arc<Settings>),
    /// An engineer registered.
    EngineerRegistered(Arc<Engineer>),
    /// An engineer's role in the cluster changed.
    RoleChanged(Arc<Engineer>),
    /// An API key was added.
    KeyAdded(Arc<ApiKey>),
    /// An API key was revoked.
    KeyRevoked(Arc<ApiKey>),
    /// A project was created.
    ProjectCreated(Arc<Project>),
    /// A project began or ceased to ignore case in paths.
    ProjectUpdated(Arc<Project>),
    /// An engineer joined a project.
    MemberAdded(Arc<Member>),
    /// An engineer left a project.
    MemberRemoved(Arc<Member>),
    /// A feature was created, as a draft.
    FeatureCreated(Arc<Feature>),
    /// One field of a feature changed.
    FeatureUpdated {
        /// The feature after the change.
        feature: Arc<Feature>,
        /// The field that changed.
        field: FeatureField,
        /// The value before the change.
        old: FieldValue,
        /// The value after the change.
        new: FieldValue,
    },
    /// A feature was deleted.
    FeatureDeleted(Arc<Feature>),
    /// A feature was picked.
    FeatureClaimed(Arc<Feature>),
    /// A picked feature was released: it is ready again, and marked as interrupted if its session ended first.
    FeatureReleased {
        /// The feature after the release.
        feature: Arc<Feature>,
        /// The former holder.
        holder: Holder,
        /// The cause of the release.
        reason: ReleaseReason,
    },
    /// A feature was completed.
    FeatureCompleted(Arc<Feature>),
    /// Paths were claimed: at most 1,000 in one event.
    FilesClaimed {
        /// The project that the paths belong to.
        project: ProjectId,
        /// The session that holds them now.
        holder: Holder,
        /// The feature that they are claimed for; `None` for claims of the session alone.
        feature: Option<FeatureId>,
        /// The claimed paths.
        paths: Arc<[Pattern]>,
        /// Exclusive or shared.
        mode: ClaimMode,
        /// The log index of the acquiring entry.
        fence: Fence,
        /// The wall time of the acquiring entry.
        claimed_at: WallTime,
    },
    /// Paths were released: at most 1,000 in one event. Other sessions may still share them.
    FilesReleased {
        /// The project that the paths belong to.
        project: ProjectId,
        /// The session that held them.
        holder: Holder,
        /// The feature that they were claimed for; `None` for claims of the session alone.
        feature: Option<FeatureId>,
        /// The released paths.
        paths: Arc<[Pattern]>,
        /// The cause of the release.
        reason: ReleaseReason,
    },
    /// A session started, or came back during its grace.
    SessionStarted(Arc<Session>),
    /// A session renewed its lease, or changed the feature that it works on.
    SessionRenewed(Arc<Session>),
    /// The lease of a session ran out. The grace begins, unless the session is ending.
    SessionDisconnected(Arc<Session>),
    /// A session is over, and everything that it held is released.
    SessionEnded(Arc<Session>),
    /// A learning was stored.
    LearningAdded {
        /// The feature that it is about.
        feature: Arc<Feature>,
        /// The learning with its text.
        learning: Arc<Learning>,
    },
    /// A decision was stored.
    DecisionAdded(Arc<Decision>),
    /// A checkpoint became the newest one of its feature. It is not part of the feed; its text is a document.
    CheckpointSaved(LatestCheckpoint),
    /// A ticket was issued.
    TicketIssued(Arc<Ticket>),
    /// A ticket was used up.
    TicketRedeemed(Arc<Ticket>),
    /// A ticket expired.
    TicketExpired(Arc<Ticket>),
    /// An engineer was deleted. Earlier events of the same entry revoked the keys.
    EngineerDeleted(Arc<Engineer>),
    /// A deleted engineer has more sessions and memberships than one entry may end; the next entries end the rest.
    EngineerDeletionBegun(EngineerId),
    /// The last session and membership of a deleted engineer was ended.
    EngineerDeletionEnded(EngineerId),
    /// A project was deleted. Nobody sees it any more; the next entries remove its rows, texts and events.
    ProjectDeleted(ProjectDeletion),
    /// A part of a deleted project was removed.
    ProjectDeletionAdvanced {
        /// The kind of data that is still to be removed.
        deletion: ProjectDeletion,
        /// The rows that were removed.
        rows: Arc<[RowKey]>,
    },
    /// The last part of a deleted project was removed.
    ProjectDeletionFinished(ProjectDeletion),
    /// This entry replaced the lists of a feature. They stay stored for the events that refer to them.
    ListsReplaced {
        /// The project of the feature.
        project: ProjectId,
        /// The feature whose lists were replaced.
        feature: FeatureId,
        /// The stored form of the lists.
        kept: ReplacedLists,
    },
    /// Replaced lists are no longer stored: no event that is kept refers to them, or the feature has too many.
    ListsForgotten {
        /// The project of the feature.
        project: ProjectId,
        /// The feature whose lists they were.
        feature: FeatureId,
        /// The revision of the entry that had replaced them.
        at: Revision,
    },
    /// The cluster applies a newer version of the rules from now on.
    RulesRaised(RulesVersion),
    /// The cluster began a new history, as another cluster.
    HistoryBegan {
        /// The cluster's new id.
        cluster: ClusterId,
        /// The two ends of what is lost.
        start: Arc<HistoryStart>,
        /// The first node of the new history.
        node: Arc<NodeRecord>,
    },
    /// The history was reset, as each project's feed announces it.
    HistoryReset {
        /// The project of the feed.
        project: ProjectId,
        /// The two ends of what is lost.
        start: Arc<HistoryStart>,
    },
    /// The last session, ticket and join token of the history before this index was ended.
    FormerHistoryEnded(Revision),
    /// A node became a replica, or ceased to be one.
    ReplicaSet {
        /// The id of the node.
        node: NodeId,
        /// Whether it is a replica now.
        is_replica: bool,
    },
}

impl Event {
    /// The project whose feed the event belongs to; `None` for events that belong to no feed.
    pub fn project(&self) -> Option<ProjectId> {
        match self {
            Self::FeatureCreated(feature)
            | Self::FeatureUpdated { feature, .. }
            | Self::FeatureDeleted(feature)
            | Self::FeatureClaimed(feature)
            | Self::FeatureReleased { feature, .. }
            | Self::FeatureCompleted(feature)
            | Self::LearningAdded { feature, .. } => Some(feature.project),
            Self::DecisionAdded(decision) => Some(decision.project),
            Self::FilesClaimed { project, .. }
            | Self::FilesReleased { project, .. }
            | Self::HistoryReset { project, .. } => Some(*project),
            Self::SessionStarted(session)
            | Self::SessionDisconnected(session)
            | Self::SessionEnded(session) => Some(session.project),
            Self::MemberAdded(member) | Self::MemberRemoved(member) => Some(member.project),
            // A follower of the feed checks the rights of its reader again.
            Self::ProjectDeleted(deletion) => Some(deletion.project),
            Self::ClusterFormed { .. }
            | Self::BootstrapTokenUsed
            | Self::NodeAdmitted(_)
            | Self::JoinTokenCreated(_)
            | Self::JoinTokenExpired(_)
            | Self::SettingsChanged(_)
            | Self::EngineerRegistered(_)
            | Self::RoleChanged(_)
            | Self::KeyAdded(_)
            | Self::KeyRevoked(_)
            | Self::ProjectCreated(_)
            | Self::ProjectUpdated(_)
            | Self::SessionRenewed(_)
            | Self::CheckpointSaved(_)
            | Self::TicketIssued(_)
            | Self::TicketRedeemed(_)
            | Self::TicketExpired(_)
            | Self::EngineerDeleted(_)
            | Self::EngineerDeletionBegun(_)
            | Self::EngineerDeletionEnded(_)
            | Self::ProjectDeletionAdvanced { .. }
            | Self::ProjectDeletionFinished(_)
            | Self::ListsReplaced { .. }
            | Self::ListsForgotten { .. }
            | Self::RulesRaised(_)
            | Self::HistoryBegan { .. }
            | Self::FormerHistoryEnded(_)
            | Self::ReplicaSet { .. } => None,
        }
    }

    /// The event as it is stored: without the lists of a feature, which the state or a document holds already. A
    /// reader puts them back through [`Event::feature_mut`].
    pub(crate) fn brief(mut self) -> Self {
        if let Some(feature) = self.feature_mut() {
            *feature = Arc::new(feature.without_lists());
        }
        self
    }

    /// The feature whose lists are not stored with the event.
    pub fn feature_mut(&mut self) -> Option<&mut Arc<Feature>> {
        match self {
            Self::FeatureUpdated { feature, .. }
            | Self::FeatureClaimed(feature)
            | Self::FeatureReleased { feature, .. }
            | Self::FeatureCompleted(feature)
            | Self::LearningAdded { feature, .. } => Some(feature),
            // Creation and deletion are stored whole: the lists of a deleted feature are nowhere else.
            Self::FeatureCreated(_) | Self::FeatureDeleted(_) => None,
            Self::ClusterFormed { .. }
            | Self::BootstrapTokenUsed
            | Self::NodeAdmitted(_)
            | Self::JoinTokenCreated(_)
            | Self::JoinTokenExpired(_)
            | Self::SettingsChanged(_)
            | Self::EngineerRegistered(_)
            | Self::RoleChanged(_)
            | Self::KeyAdded(_)
            | Self::KeyRevoked(_)
            | Self::ProjectCreated(_)
            | Self::ProjectUpdated(_)
            | Self::MemberAdded(_)
            | Self::MemberRemoved(_)
            | Self::FilesClaimed { .. }
            | Self::FilesReleased { .. }
            | Self::SessionStarted(_)
            | Self::SessionRenewed(_)
            | Self::SessionDisconnected(_)
            | Self::SessionEnded(_)
            | Self::DecisionAdded(_)
            | Self::CheckpointSaved(_)
            | Self::TicketIssued(_)
            | Self::TicketRedeemed(_)
            | Self::TicketExpired(_)
            | Self::EngineerDeleted(_)
            | Self::EngineerDeletionBegun(_)
            | Self::EngineerDeletionEnded(_)
            | Self::ProjectDeleted(_)
            | Self::ProjectDeletionAdvanced { .. }
            | Self::ProjectDeletionFinished(_)
            | Self::ListsReplaced { .. }
            | Self::ListsForgotten { .. }
            | Self::RulesRaised(_)
            | Self::HistoryBegan { .. }
            | Self::HistoryReset { .. }
            | Self::FormerHistoryEnded(_)
            | Self::ReplicaSet { .. } => None,
        }
    }
}
