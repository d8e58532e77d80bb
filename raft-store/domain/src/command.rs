//! What can be asked of the cluster. A proposal carries everything that applying it needs: ids,
//! times and random values included, so that every node comes to the same result.

use crate::{
    document::CheckpointKind,
    entity::{
        ApiKey, JoinToken, Lane, MemberRole, Mode, NodeRecord, Origin, Role, SessionMetadata, TokenDigest,
    },
    ids::{
        CheckpointId, DecisionId, EngineerId, FeatureId, InstanceId, KeyId, LearningId, NodeId, ProjectId,
        SessionId,
    },
    pattern::{Case, Pattern},
    refusal::Refusal,
    replies::Request,
    reply::Reply,
    rules::RulesVersion,
    settings::SettingsPatch,
    time::Stamp,
    words::{AgentName, Email, Label, Name, Slug, Title},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Actor {
    /// The cluster itself: its ticks, heartbeats and membership.
    System,
    /// Somebody without a key.
    Anonymous,
    /// An engineer, with the key that was used.
    Engineer {
        /// The engineer.
        id: EngineerId,
        /// The key: revoked meanwhile, the command is refused.
        key: KeyId,
    },
}

/// As which session an engineer acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Acting {
    /// As this one alone.
    Session(SessionId),
    /// As the engineer: with the default session, which gets this id if it has to be made.
    Engineer {
        /// Id for a default session that does not exist yet.
        candidate: SessionId,
    },
}

/// One entry of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// What is asked.
    pub command: Command,
    /// By whom.
    pub actor: Actor,
    /// As which session.
    pub acting: Acting,
    /// The retry-proof identity of the request; none for what the cluster proposes itself.
    pub request: Option<Request>,
    /// When the leader proposed it.
    pub stamp: Stamp,
}

/// A new feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewFeature {
    /// Its id.
    pub id: FeatureId,
    /// Its slug.
    pub slug: Slug,
    /// One line.
    pub title: Title,
    /// The whole text; kept as a document.
    pub spec: Arc<str>,
    /// Where it goes.
    pub lane: Lane,
    /// Place in the lane; none is behind the last.
    pub priority: Option<u32>,
    /// Exclusive paths.
    pub touches: Arc<[Pattern]>,
    /// Shared paths.
    pub reads: Arc<[Pattern]>,
    /// What must be over first.
    pub depends_on: Arc<[Slug]>,
}

/// Changes of a feature; what is none stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FeaturePatch {
    /// New line.
    pub title: Option<Title>,
    /// New text.
    pub spec: Option<Arc<str>>,
    /// New lane.
    pub lane: Option<Lane>,
    /// New place.
    pub priority: Option<u32>,
    /// New exclusive paths, all of them.
    pub touches: Option<Arc<[Pattern]>>,
    /// New shared paths, all of them.
    pub reads: Option<Arc<[Pattern]>>,
    /// New dependencies, all of them.
    pub depends_on: Option<Arc<[Slug]>>,
}

/// A recorded state of work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewCheckpoint {
    /// Its id.
    pub id: CheckpointId,
    /// Whose work.
    pub session: SessionId,
    /// On what.
    pub feature: FeatureId,
    /// Why.
    pub kind: CheckpointKind,
    /// What the client says about it: the JSON text of an object, its keys sorted.
    pub context: Arc<str>,
    /// A note for people.
    pub notes: Option<Arc<str>>,
}

/// A decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewDecision {
    /// Its id.
    pub id: DecisionId,
    /// The feature it is about.
    pub feature: Option<Slug>,
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
}

/// What can be asked of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// The first entry of every cluster.
    FormCluster {
        /// Identity.
        origin: Origin,
        /// The nodes it begins with.
        nodes: Vec<NodeRecord>,
    },
    /// Gives out a node id, to a guest with a token or to a member that lost its data.
    AdmitNode {
        /// The guest's data folder.
        instance: InstanceId,
        /// Its address for nodes.
        peer_addr: Label,
        /// Its address for clients.
        client_addr: Label,
        /// The token it was invited with; not needed to take one's own place again.
        token: Option<TokenDigest>,
        /// Whose place it takes.
        replaces: Option<NodeId>,
    },
    /// Invites nodes.
    CreateJoinToken {
        /// The invitation.
        token: JoinToken,
    },
    /// Tunes the cluster.
    UpdateSettings {
        /// What changes.
        patch: SettingsPatch,
    },
    /// Moves cluster time on, so that leases end although nobody asks for anything.
    Tick,
    /// Signs of life that arrived within one short window.
    Heartbeats {
        /// Sessions whose clients sent a heartbeat, each for a session of its own engineer, as the node has checked.
        heartbeats: Vec<SessionId>,
        /// Sessions whose other requests showed that they are alive. This puts no session on the short lease.
        keep_alives: Vec<SessionId>,
    },
    /// Makes an engineer with a first key.
    RegisterEngineer {
        /// Id.
        id: EngineerId,
        /// Name.
        name: Name,
        /// Address.
        email: Email,
        /// The first key.
        key: ApiKey,
        /// What the key was derived with, so that a retry of the request gets the same key.
        salt: Option<[u8; 16]>,
        /// The token that makes the first admin.
        bootstrap: Option<TokenDigest>,
    },
    /// Adds a key to one's own.
    AddKey {
        /// The key.
        key: ApiKey,
    },
    /// Ends a key of one's own.
    RevokeKey {
        /// The key.
        key: KeyId,
    },
    /// Changes an engineer's rights.
    ChangeRole {
        /// Whose.
        engineer: EngineerId,
        /// To what.
        role: Role,
    },
    /// Takes an engineer out of the cluster, with their keys, places and sessions.
    DeleteEngineer {
        /// Whom.
        engineer: EngineerId,
    },
    /// Changes how a project's files are compared.
    UpdateProject {
        /// Which project.
        project: ProjectId,
        /// Whether names that differ in case alone are one file from now on.
        case: Case,
    },
    /// Deletes a project with everything in it.
    DeleteProject {
        /// Which.
        project: ProjectId,
    },
    /// Makes a project, led by who makes it.
    CreateProject {
        /// Id.
        id: ProjectId,
        /// Name.
        name: Name,
        /// Slug, unique in the cluster.
        slug: Slug,
        /// Repository.
        repo_url: Option<Label>,
        /// Path in it.
        repo_path: Option<Label>,
        /// Branch.
        default_branch: Label,
    },
    /// Takes an engineer into a project.
    AddMember {
        /// Where.
        project: ProjectId,
        /// Whom.
        engineer: EngineerId,
        /// As what.
        role: MemberRole,
    },
    /// Takes an engineer out of a project; what their sessions hold there is released.
    RemoveMember {
        /// Where.
        project: ProjectId,
        /// Whom.
        engineer: EngineerId,
    },
    /// Writes a draft.
    CreateFeature {
        /// Where.
        project: ProjectId,
        /// What.
        feature: Box<NewFeature>,
    },
    /// Changes a feature.
    UpdateFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
        /// How.
        patch: Box<FeaturePatch>,
    },
    /// Throws a draft away, or a feature that is over.
    DeleteFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
        /// Whether it is meant to be over: done or cancelled. Otherwise it has to be a draft.
        is_finished: bool,
    },
    /// Draft to ready.
    ReadyFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
    },
    /// Ready to draft.
    DraftFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
    },
    /// Takes a feature and all of its paths, or nothing.
    PickFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
    },
    /// Takes the best feature that is free.
    PickNext {
        /// Where.
        project: ProjectId,
        /// From these lanes; empty means from all but the icebox.
        lanes: Vec<Lane>,
    },
    /// Gives a feature back, unfinished.
    ReleaseFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
    },
    /// Finishes a feature.
    CompleteFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
    },
    /// Gives a feature up.
    CancelFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
    },
    /// Takes paths while working: all of them or none.
    ClaimPaths {
        /// Where.
        project: ProjectId,
        /// Which paths.
        paths: Arc<[Pattern]>,
        /// How.
        mode: Mode,
        /// For what.
        feature: Option<FeatureId>,
    },
    /// Gives back paths that were taken while working.
    ReleasePaths {
        /// Where.
        project: ProjectId,
        /// Which; none means all of the session's.
        paths: Option<Arc<[Pattern]>>,
    },
    /// Says which of these paths one still holds, and renews the lease.
    RefreshClaims {
        /// Where.
        project: ProjectId,
    },
    /// Takes paths away from whoever holds them.
    ForceRelease {
        /// Where.
        project: ProjectId,
        /// Which.
        paths: Arc<[Pattern]>,
        /// Why, for the record.
        reason: Label,
    },
    /// Starts a session, or finds the one of this agent that lives.
    StartSession {
        /// Where.
        project: ProjectId,
        /// Id if one has to be made.
        id: SessionId,
        /// Which agent.
        agent: Option<AgentName>,
        /// On what.
        feature: Option<FeatureId>,
        /// About the client.
        metadata: SessionMetadata,
    },
    /// Ends a session at once and releases all it holds.
    EndSession {
        /// Where.
        project: ProjectId,
        /// Which.
        session: SessionId,
    },
    /// Keeps something that was learned.
    AddLearning {
        /// Where.
        project: ProjectId,
        /// While working on what.
        slug: Slug,
        /// Id.
        id: LearningId,
        /// The text.
        content: Arc<str>,
    },
    /// Keeps a decision.
    AddDecision {
        /// Where.
        project: ProjectId,
        /// What.
        decision: Box<NewDecision>,
    },
    /// Records a state of work.
    SaveCheckpoint {
        /// Where.
        project: ProjectId,
        /// What.
        checkpoint: Box<NewCheckpoint>,
    },
    /// Puts features at the heads of lanes, in this order: all of them or none.
    ReorderRoadmap {
        /// Where.
        project: ProjectId,
        /// The features, by lane; each lane once.
        lanes: Vec<(Lane, Vec<Slug>)>,
    },
    /// Puts a feature into a lane.
    MoveFeature {
        /// Where.
        project: ProjectId,
        /// Which.
        slug: Slug,
        /// Into which.
        lane: Lane,
        /// Place in it; none is its end.
        priority: Option<u32>,
    },
    /// Issues a ticket for one event socket.
    IssueTicket {
        /// Digest of the ticket.
        digest: TokenDigest,
    },
    /// Uses a ticket up.
    RedeemTicket {
        /// Digest of the ticket.
        digest: TokenDigest,
    },
    /// Remembers the answer to a request that was carried out beside the log, such as a change of the
    /// membership: a retry of it gets this answer.
    KeepAnswer {
        /// What came of it.
        outcome: Result<Box<Reply>, Box<Refusal>>,
    },
    /// Goes by newer rules from now on: every member knows them.
    RaiseRules(RulesVersion),
}

impl Command {
    /// Its name in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FormCluster { .. } => "form_cluster",
            Self::AdmitNode { .. } => "admit_node",
            Self::CreateJoinToken { .. } => "create_join_token",
            Self::UpdateSettings { .. } => "update_settings",
            Self::Tick => "tick",
            Self::Heartbeats { .. } => "heartbeats",
            Self::RegisterEngineer { .. } => "register_engineer",
            Self::AddKey { .. } => "add_key",
            Self::RevokeKey { .. } => "revoke_key",
            Self::ChangeRole { .. } => "change_role",
            Self::DeleteEngineer { .. } => "delete_engineer",
            Self::UpdateProject { .. } => "update_project",
            Self::DeleteProject { .. } => "delete_project",
            Self::CreateProject { .. } => "create_project",
            Self::AddMember { .. } => "add_member",
            Self::RemoveMember { .. } => "remove_member",
            Self::CreateFeature { .. } => "create_feature",
            Self::UpdateFeature { .. } => "update_feature",
            Self::DeleteFeature { .. } => "delete_feature",
            Self::ReadyFeature { .. } => "ready_feature",
            Self::DraftFeature { .. } => "draft_feature",
            Self::PickFeature { .. } => "pick_feature",
            Self::PickNext { .. } => "pick_next",
            Self::ReleaseFeature { .. } => "release_feature",
            Self::CompleteFeature { .. } => "complete_feature",
            Self::CancelFeature { .. } => "cancel_feature",
            Self::ClaimPaths { .. } => "claim_paths",
            Self::ReleasePaths { .. } => "release_paths",
            Self::RefreshClaims { .. } => "refresh_claims",
            Self::ForceRelease { .. } => "force_release",
            Self::StartSession { .. } => "start_session",
            Self::EndSession { .. } => "end_session",
            Self::AddLearning { .. } => "add_learning",
            Self::AddDecision { .. } => "add_decision",
            Self::SaveCheckpoint { .. } => "save_checkpoint",
            Self::ReorderRoadmap { .. } => "reorder_roadmap",
            Self::MoveFeature { .. } => "move_feature",
            Self::IssueTicket { .. } => "issue_ticket",
            Self::RedeemTicket { .. } => "redeem_ticket",
            Self::KeepAnswer { .. } => "keep_answer",
            Self::RaiseRules(_) => "raise_rules",
        }
    }
}
