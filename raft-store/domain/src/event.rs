//! Past events. Folding them is the only way in which state changes; those of a project are also
//! its public feed.

use crate::{
    document::{Decision, LatestCheckpoint, Learning},
    entity::{
        ApiKey, ClaimMode, ClusterOrigin, Engineer, Feature, Holder, JoinToken, Member, NodeRecord, Project,
        ProjectDeletion, ReplacedLists, Session, Ticket,
    },
    ids::{EngineerId, FeatureId, ProjectId},
    pattern::Pattern,
    rules::RulesVersion,
    settings::Settings,
    short_text::Label,
    state::RowKey,
    time::{ClusterTime, Fence, Revision, WallTime},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why something was released.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ReleaseReason {
    /// Its holder gave it back.
    Released,
    /// Its feature was finished.
    Completed,
    /// Its feature was given up.
    Cancelled,
    /// It is no longer among the feature's paths.
    Updated,
    /// Its session was ended.
    SessionEnded,
    /// Its session was lost.
    Expired,
    /// Its holder was taken out of the project.
    MemberRemoved,
    /// A lead or an admin took it away.
    Forced {
        /// Who.
        by: EngineerId,
        /// Why.
        reason: Label,
    },
}

/// A past event. Features, sessions and the like stand in it as they are after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The cluster began.
    ClusterFormed {
        /// Its identity.
        origin: Arc<ClusterOrigin>,
        /// Its first nodes.
        nodes: Vec<Arc<NodeRecord>>,
    },
    /// The first admin was made.
    BootstrapTokenUsed,
    /// A node id was given out.
    NodeAdmitted(Arc<NodeRecord>),
    /// An invitation was made.
    JoinTokenCreated(Arc<JoinToken>),
    /// An invitation ran out.
    JoinTokenExpired(Arc<JoinToken>),
    /// Settings changed.
    SettingsChanged(Arc<Settings>),
    /// An engineer registered.
    EngineerRegistered(Arc<Engineer>),
    /// An engineer's rights changed.
    RoleChanged(Arc<Engineer>),
    /// A key was added.
    KeyAdded(Arc<ApiKey>),
    /// A key was revoked.
    KeyRevoked(Arc<ApiKey>),
    /// A project was made.
    ProjectCreated(Arc<Project>),
    /// A project compares its files otherwise.
    ProjectUpdated(Arc<Project>),
    /// An engineer joined a project.
    MemberAdded(Arc<Member>),
    /// An engineer left a project.
    MemberRemoved(Arc<Member>),
    /// A draft was written.
    FeatureCreated(Arc<Feature>),
    /// One field of a feature changed.
    FeatureUpdated {
        /// The feature.
        feature: Arc<Feature>,
        /// The field's name as clients see it.
        field: FeatureField,
        /// Its value before.
        old: FieldValue,
        /// Its value after.
        new: FieldValue,
    },
    /// A draft was thrown away.
    FeatureDeleted(Arc<Feature>),
    /// A feature was picked.
    FeatureClaimed(Arc<Feature>),
    /// A feature is free again.
    FeatureReleased {
        /// The feature.
        feature: Arc<Feature>,
        /// Who had it.
        holder: Holder,
        /// Why.
        reason: ReleaseReason,
    },
    /// A feature was finished.
    FeatureCompleted(Arc<Feature>),
    /// Paths were taken.
    FilesClaimed {
        /// Where.
        project: ProjectId,
        /// By whom.
        holder: Holder,
        /// For what.
        feature: Option<FeatureId>,
        /// Which.
        paths: Arc<[Pattern]>,
        /// How.
        mode: ClaimMode,
        /// Log index of the acquiring entry.
        fence: Fence,
        /// When.
        claimed_at: WallTime,
    },
    /// Paths are free again, as far as this holder goes.
    FilesReleased {
        /// Where.
        project: ProjectId,
        /// Who had them.
        holder: Holder,
        /// For what.
        feature: Option<FeatureId>,
        /// Which.
        paths: Arc<[Pattern]>,
        /// Why.
        reason: ReleaseReason,
    },
    /// A session began, or came back from its grace.
    SessionStarted(Arc<Session>),
    /// A session gave a sign of life or changed what it works on.
    SessionRenewed(Arc<Session>),
    /// A session was silent for too long.
    SessionDisconnected(Arc<Session>),
    /// A session is over; disconnected sessions were announced before.
    SessionEnded(Arc<Session>),
    /// Something was learned.
    LearningAdded {
        /// While working on what.
        feature: Arc<Feature>,
        /// What, with its text.
        learning: Arc<Learning>,
    },
    /// Something was decided.
    DecisionAdded(Arc<Decision>),
    /// The state of work on a feature was recorded. Told to nobody: its text is a document.
    CheckpointSaved(LatestCheckpoint),
    /// A ticket was issued.
    TicketIssued(Arc<Ticket>),
    /// A ticket was used.
    TicketRedeemed(Arc<Ticket>),
    /// A ticket ran out.
    TicketExpired(Arc<Ticket>),
    /// An engineer is gone; their keys went before.
    EngineerDeleted(Arc<Engineer>),
    /// An engineer was deleted who has more sessions and places in projects than one entry may end: the next ones
    /// end them.
    EngineerDeletionBegun(EngineerId),
    /// Nothing is left of a deleted engineer.
    EngineerDeletionEnded(EngineerId),
    /// A project is gone for everybody; what belonged to it goes with the next entries.
    ProjectDeleted(ProjectDeletion),
    /// Some of what belonged to a deleted project is gone.
    ProjectDeletionAdvanced {
        /// What is left to do.
        deletion: ProjectDeletion,
        /// The rows that are gone.
        rows: Arc<[RowKey]>,
    },
    /// Nothing is left of a deleted project.
    ProjectDeletionFinished(ProjectDeletion),
    /// Lists of a feature were replaced by this entry, and are kept for events that name them.
    ListsReplaced {
        /// Where.
        project: ProjectId,
        /// Of which feature.
        feature: FeatureId,
        /// What is kept of them.
        kept: ReplacedLists,
    },
    /// Lists are kept no longer: the events that name them are too old, or there are too many.
    ListsForgotten {
        /// Where.
        project: ProjectId,
        /// Of which feature.
        feature: FeatureId,
        /// The entry that had replaced them.
        at: Revision,
    },
    /// The cluster goes by newer rules.
    RulesRaised(RulesVersion),
}

/// A field of a feature that can change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FeatureField {
    /// Its line.
    Title,
    /// Its text.
    Spec,
    /// Its lane.
    Lane,
    /// Its place in the lane.
    Priority,
    /// Its exclusive paths.
    Touches,
    /// Its shared paths.
    Reads,
    /// Its dependencies.
    DependsOn,
    /// Its stage.
    Status,
}

/// The value of a field that changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FieldValue {
    /// Too long to tell.
    Untold,
    /// A line, a number or a name.
    Text(String),
    /// Paths or slugs.
    List(Vec<String>),
}

/// Paths or slugs that an event tells of: a feature has up to thousands.
const MAX_TOLD: usize = 100;

impl FieldValue {
    /// A line, a number or a name.
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// Paths or slugs, if they are not too many to tell.
    pub fn list<T: ToString>(items: &[T]) -> Self {
        if items.len() > MAX_TOLD {
            return Self::Untold;
        }
        Self::List(items.iter().map(ToString::to_string).collect())
    }
}

impl Event {
    /// The project in whose feed it stands; none for what is not announced.
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
            Self::FilesClaimed { project, .. } | Self::FilesReleased { project, .. } => Some(*project),
            Self::SessionStarted(session)
            | Self::SessionDisconnected(session)
            | Self::SessionEnded(session) => Some(session.project),
            Self::MemberAdded(member) | Self::MemberRemoved(member) => Some(member.project),
            // Whoever follows it looks whether they still may.
            Self::ProjectDeleted(deletion) => Some(deletion.project),
            _ => None,
        }
    }
}

impl Event {
    /// As it is kept: without a feature's lists, where they are those of an earlier event or of the feature as it is
    /// now. Whoever reads it completes it with [`Event::feature_mut`].
    pub(crate) fn brief(mut self) -> Self {
        match &mut self {
            Self::FeatureUpdated { feature, .. }
            | Self::FeatureClaimed(feature)
            | Self::FeatureReleased { feature, .. }
            | Self::FeatureCompleted(feature)
            | Self::LearningAdded { feature, .. } => *feature = Arc::new(feature.without_lists()),
            // Each once, whole: nobody could complete what is gone.
            _ => {}
        }
        self
    }

    /// The feature whose lists are left out of what is kept.
    pub fn feature_mut(&mut self) -> Option<&mut Arc<Feature>> {
        match self {
            Self::FeatureUpdated { feature, .. }
            | Self::FeatureClaimed(feature)
            | Self::FeatureReleased { feature, .. }
            | Self::FeatureCompleted(feature)
            | Self::LearningAdded { feature, .. } => Some(feature),
            _ => None,
        }
    }
}

/// Who caused an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// The engineer.
    pub engineer: EngineerId,
    /// As which session.
    pub holder: Option<Holder>,
}

/// An event with its place in the history of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The log index.
    pub revision: Revision,
    /// Its place within the revision, from 0.
    pub seq: u32,
    /// When, for people.
    pub at: WallTime,
    /// Who caused it; none for the cluster itself.
    pub cause: Option<Cause>,
    /// The event.
    pub event: Event,
    /// When, on the cluster's own clock: how long it is kept is measured in it.
    pub time: ClusterTime,
}
