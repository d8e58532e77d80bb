//! What can be asked of the cluster. A proposal carries everything that applying it needs, ids, times and random
//! values included, so that every node computes the same result.

mod facts;
mod payload;

pub use facts::CommandFacts;
pub use payload::{FeaturePatch, NewApiKey, NewCheckpoint, NewDecision, NewFeature};

use crate::{
    entity::{ClaimMode, ClusterOrigin, Lane, MemberRole, NodeRecord, Role, SessionMetadata, TokenDigest},
    ids::{EngineerId, FeatureId, InstanceId, JoinTokenId, KeyId, LearningId, NodeId, ProjectId, SessionId},
    pattern::{Case, Pattern},
    refusal::Refusal,
    reply::Reply,
    reply_cache::Request,
    rules::RulesVersion,
    settings::SettingsPatch,
    short_text::{AgentName, Email, Label, Name, Slug},
    time::{Millis, Stamp},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The identity behind a command, as the node that received it has authenticated it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Actor {
    /// The cluster itself: its ticks, heartbeats and membership.
    System,
    /// A client without an API key.
    Anonymous,
    /// An engineer with an API key.
    Engineer {
        /// The engineer who owns the key.
        id: EngineerId,
        /// The key that was used. The command is refused if the key was revoked before the entry is applied.
        key: KeyId,
    },
}

/// The session on whose behalf an engineer acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Acting {
    /// The named session and no other one.
    Session(SessionId),
    /// The engineer's default session in the project. Apply creates it if it does not exist.
    Engineer {
        /// The id that a default session gets if apply has to create one.
        candidate: SessionId,
    },
}

/// One entry of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// What to do.
    pub command: Command,
    /// The identity whose rights are checked.
    pub actor: Actor,
    /// The session that acts; ignored by commands that need none.
    pub acting: Acting,
    /// The identity of the request, by which a retry is recognised. `None` for what the cluster proposes itself.
    pub request: Option<Request>,
    /// The leader's cluster time and wall time when it proposed the entry.
    pub stamp: Stamp,
}

/// What can be asked of the cluster. Every id in it was created by the node that received the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Forms the cluster: the first entry of every log.
    FormCluster {
        /// The cluster's id, and the digest of the token that makes the first admin.
        origin: ClusterOrigin,
        /// The initial voters.
        nodes: Vec<NodeRecord>,
    },
    /// Hands out a node id, to a new node with a join token or to a member that lost its data.
    AdmitNode {
        /// The random id of the node's data folder. The same folder gets the same node id again.
        instance: InstanceId,
        /// `host:port` for other nodes.
        peer_addr: Label,
        /// `host:port` for clients.
        client_addr: Label,
        /// The digest of the join token. `None` is accepted only from a former member at its old peer address.
        token: Option<TokenDigest>,
        /// The member that this node replaces.
        replaces: Option<NodeId>,
    },
    /// Creates a join token for nodes.
    CreateJoinToken {
        /// The token's id.
        id: JoinTokenId,
        /// The SHA-256 of the token.
        digest: TokenDigest,
        /// How long it is accepted, in cluster time.
        lifetime: Millis,
    },
    /// Changes the cluster's settings.
    UpdateSettings {
        /// The settings to change; the others stay.
        patch: SettingsPatch,
    },
    /// Advances cluster time, so that leases expire although no client writes.
    Tick,
    /// Renews the leases of sessions: what arrived at one node within one short window.
    Heartbeats {
        /// Sessions that sent a heartbeat. From then on they have the short lease. The node has checked that each
        /// belongs to the engineer who sent it.
        heartbeats: Vec<SessionId>,
        /// Sessions that sent any other request. These keep the lease that they have, long or short.
        keep_alives: Vec<SessionId>,
    },
    /// Registers an engineer, with a first API key.
    RegisterEngineer {
        /// The new engineer's id.
        id: EngineerId,
        /// The name that people see.
        name: Name,
        /// The e-mail address, unique in the cluster.
        email: Email,
        /// The first key.
        key: NewApiKey,
        /// The salt from which the key was derived, so that a retry shows the same key. `None` without an
        /// idempotency key.
        salt: Option<[u8; 16]>,
        /// The digest of the bootstrap token, which makes the first admin.
        bootstrap: Option<TokenDigest>,
    },
    /// Adds an API key to the actor's own keys, at most 100.
    AddKey {
        /// The new key.
        key: NewApiKey,
    },
    /// Revokes one of the actor's own API keys, at once.
    RevokeKey {
        /// The key to revoke.
        key: KeyId,
    },
    /// Changes an engineer's role in the cluster. The last admin cannot lose that role.
    ChangeRole {
        /// The engineer whose role changes.
        engineer: EngineerId,
        /// The new role.
        role: Role,
    },
    /// Deletes an engineer with their keys, memberships and sessions. What they wrote stays.
    DeleteEngineer {
        /// The engineer to delete.
        engineer: EngineerId,
    },
    /// Changes how a project's paths are compared.
    UpdateProject {
        /// The project to change.
        project: ProjectId,
        /// Whether names that differ in case alone are one file from now on.
        case: Case,
    },
    /// Deletes a project with everything in it.
    DeleteProject {
        /// The project to delete.
        project: ProjectId,
    },
    /// Creates a project, whose first lead is the actor.
    CreateProject {
        /// The new project's id.
        id: ProjectId,
        /// The name that people see.
        name: Name,
        /// The name in addresses, unique in the cluster, at most 50 characters.
        slug: Slug,
        /// The URL of the repository.
        repo_url: Option<Label>,
        /// The project's path inside the repository.
        repo_path: Option<Label>,
        /// The branch that work starts from.
        default_branch: Label,
    },
    /// Adds an engineer to a project.
    AddMember {
        /// The project that gets a member.
        project: ProjectId,
        /// The engineer to add.
        engineer: EngineerId,
        /// The engineer's role in the project.
        role: MemberRole,
    },
    /// Removes an engineer from a project and ends the engineer's sessions in it.
    RemoveMember {
        /// The project that loses a member.
        project: ProjectId,
        /// The engineer to remove.
        engineer: EngineerId,
    },
    /// Creates a feature as a draft.
    CreateFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature. Boxed, since it is much larger than other commands.
        feature: Box<NewFeature>,
    },
    /// Changes a feature in any status.
    UpdateFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature to change.
        slug: Slug,
        /// The fields to change; the others stay.
        patch: Box<FeaturePatch>,
    },
    /// Deletes a feature that is a draft, done or cancelled.
    DeleteFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature to delete.
        slug: Slug,
        /// Which of them the client expects: a done or cancelled feature if true, a draft if false. Any other status
        /// is refused.
        is_finished: bool,
    },
    /// Moves a draft to status ready.
    ReadyFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature, which must be a draft.
        slug: Slug,
    },
    /// Moves a ready feature back to status draft.
    DraftFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The ready feature.
        slug: Slug,
    },
    /// Picks a ready feature and claims all of its paths, or changes nothing.
    PickFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature to pick.
        slug: Slug,
    },
    /// Picks the first ready feature, by lane and priority, whose paths and dependencies allow it.
    PickNext {
        /// The project to pick from.
        project: ProjectId,
        /// The lanes to look at. Empty means all lanes, the icebox last.
        lanes: Vec<Lane>,
    },
    /// Releases a picked feature, unfinished: it is ready again.
    ReleaseFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature, which the actor must hold.
        slug: Slug,
    },
    /// Completes a picked feature and releases its paths.
    CompleteFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature, which the actor must hold.
        slug: Slug,
    },
    /// Cancels a feature that is not over, whoever holds it.
    CancelFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature to cancel.
        slug: Slug,
    },
    /// Claims paths in addition to those of a pick: all of them or none.
    ClaimPaths {
        /// The project that the paths belong to.
        project: ProjectId,
        /// The paths to claim, at most 10,000.
        paths: Arc<[Pattern]>,
        /// Whether others may hold a shared claim on the same paths.
        mode: ClaimMode,
        /// The feature whose end also releases the claims. `None` means they last until the session releases them.
        feature: Option<FeatureId>,
    },
    /// Releases claims that were made by [`ClaimPaths`](Self::ClaimPaths).
    ReleasePaths {
        /// The project that the paths belong to.
        project: ProjectId,
        /// The paths to release. `None` means all of the session's.
        paths: Option<Arc<[Pattern]>>,
    },
    /// Renews the session's lease and returns the paths that it still holds.
    RefreshClaims {
        /// The project of the session.
        project: ProjectId,
    },
    /// Releases claims of any session. Only leads and admins may do this.
    ForceRelease {
        /// The project that the paths belong to.
        project: ProjectId,
        /// The paths to release.
        paths: Arc<[Pattern]>,
        /// The reason that the event records.
        reason: Label,
    },
    /// Starts a session, or returns the living session of the same agent.
    StartSession {
        /// The project that the session works in.
        project: ProjectId,
        /// The id that the session gets if apply creates one.
        id: SessionId,
        /// The agent's name. `None` means the engineer's default session.
        agent: Option<AgentName>,
        /// The feature that the session works on.
        feature: Option<FeatureId>,
        /// What the client reports about itself.
        metadata: SessionMetadata,
    },
    /// Ends a session at once and releases everything that it holds.
    EndSession {
        /// The project of the session.
        project: ProjectId,
        /// The session, which must belong to the actor.
        session: SessionId,
    },
    /// Stores something that was learned while working on a feature.
    AddLearning {
        /// The project of the feature.
        project: ProjectId,
        /// The feature that the learning is about.
        slug: Slug,
        /// The learning's id.
        id: LearningId,
        /// The text of the learning.
        content: Arc<str>,
    },
    /// Stores a decision about a project.
    AddDecision {
        /// The project that the decision is about.
        project: ProjectId,
        /// The decision. Boxed, since it is much larger than other commands.
        decision: Box<NewDecision>,
    },
    /// Stores a checkpoint of the work on a feature.
    SaveCheckpoint {
        /// The project of the feature.
        project: ProjectId,
        /// The checkpoint. Boxed, since it is much larger than other commands.
        checkpoint: Box<NewCheckpoint>,
    },
    /// Moves features to the heads of lanes, in the given order: all of them or none.
    ReorderRoadmap {
        /// The project of the features.
        project: ProjectId,
        /// The features by lane, each lane at most once.
        lanes: Vec<(Lane, Vec<Slug>)>,
    },
    /// Moves a feature to a lane.
    MoveFeature {
        /// The project of the feature.
        project: ProjectId,
        /// The feature to move.
        slug: Slug,
        /// The lane that it moves to.
        lane: Lane,
        /// Its priority in that lane, from 1; the lowest comes first. `None` means the end of the lane.
        priority: Option<u32>,
    },
    /// Issues a ticket that opens one event socket.
    IssueTicket {
        /// The SHA-256 of the ticket.
        digest: TokenDigest,
    },
    /// Uses up a ticket.
    RedeemTicket {
        /// The SHA-256 of the ticket.
        digest: TokenDigest,
    },
    /// Stores the outcome of a request that was carried out outside of the log, such as a change of the membership.
    /// A retry gets this outcome.
    KeepAnswer {
        /// The outcome that the client got.
        outcome: Result<Box<Reply>, Box<Refusal>>,
    },
    /// Raises the version of the rules, once every member knows the new one.
    RaiseRules(RulesVersion),
}
