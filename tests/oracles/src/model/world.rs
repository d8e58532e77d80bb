//! The model's picture of a cluster: plain lists and maps without any index.

use super::outcome::Outcome;
use nexus_domain::{
    EngineerId, FeatureId, ProjectId, SessionId, Settings,
    entity::{HeartbeatMode, KeyPrefix, Lane, MemberRole, Role, TokenDigest},
    ids::{DecisionId, KeyId},
    pattern::{Case, Pattern},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The model's picture of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) revision: u64,
    /// The cluster time in milliseconds.
    pub(super) now: u64,
    /// The wall time in milliseconds.
    pub(super) wall: i64,
    pub(super) rules: u16,
    pub(super) is_formed: bool,
    /// Whether the sessions of a former history are left, which the next entry ends.
    pub(super) has_former_sessions: bool,
    pub(super) bootstrap: Option<TokenDigest>,
    pub(super) settings: Settings,
    pub(super) engineers: BTreeMap<EngineerId, Engineer>,
    pub(super) keys: BTreeMap<(EngineerId, KeyId), Key>,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    pub(super) members: BTreeMap<(ProjectId, EngineerId), Member>,
    pub(super) features: Vec<Feature>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) claims: Vec<Claim>,
    pub(super) texts: Vec<Text>,
    pub(super) decisions: BTreeSet<(ProjectId, DecisionId)>,
    /// The context and the paths of each feature's newest checkpoint.
    pub(super) checkpoints: BTreeMap<(ProjectId, FeatureId), Work>,
    /// How much the entry has cleaned up.
    pub(super) cleaned: Cleaned,
    /// The amounts that quotas are compared with, each with its project and the engineer whose it is.
    pub(super) stored: Arc<[(ProjectId, EngineerId, Amount)]>,
}

/// Bytes in memory, bytes of texts on disk, and projects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Amount {
    pub(super) memory: u64,
    pub(super) texts: u64,
    pub(super) projects: u64,
}

/// A recorded state of the work on a feature: its context, and the claimed paths in order.
pub(super) type Work = (String, Vec<String>);

/// How much one entry has cleaned up: claims, bytes and events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cleaned {
    pub(super) claims: usize,
    pub(super) bytes: usize,
    pub(super) events: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Engineer {
    pub(super) email: String,
    pub(super) role: Role,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) prefix: KeyPrefix,
    pub(super) expires_at: Option<i64>,
    pub(super) project: Option<ProjectId>,
    pub(super) is_readonly: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Project {
    pub(super) slug: String,
    pub(super) created_by: EngineerId,
    pub(super) case: Case,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) role: MemberRole,
    pub(super) added_by: EngineerId,
}

#[derive(Clone, Debug)]
pub(super) struct Feature {
    pub(super) id: FeatureId,
    pub(super) project: ProjectId,
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) spec_bytes: u64,
    pub(super) lane: Lane,
    pub(super) priority: u32,
    pub(super) touches: Vec<Pattern>,
    pub(super) reads: Vec<Pattern>,
    pub(super) depends_on: Vec<String>,
    pub(super) lists_at: u64,
    pub(super) created_by: EngineerId,
    pub(super) charged_to: EngineerId,
    pub(super) created_at: i64,
    pub(super) status: Status,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Draft,
    Ready { is_interrupted: bool },
    Active { session: SessionId, engineer: EngineerId, fence: u64 },
    Done { session: SessionId },
    Cancelled,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) project: ProjectId,
    pub(super) engineer: EngineerId,
    pub(super) agent: Option<String>,
    pub(super) feature: Option<FeatureId>,
    pub(super) mode: HeartbeatMode,
    pub(super) is_active: bool,
    /// The cluster time at which the lease or the grace ends.
    pub(super) until: u64,
    /// The cluster time of the last renewal, and the lease and the grace that it was granted at least.
    pub(super) renewed: (u64, u64, u64),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Claim {
    pub(super) project: ProjectId,
    pub(super) session: SessionId,
    pub(super) feature: Option<FeatureId>,
    pub(super) path: Pattern,
    pub(super) is_exclusive: bool,
    pub(super) fence: u64,
}

/// A stored text, of which only the size counts.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) project: ProjectId,
    pub(super) feature: Option<FeatureId>,
    pub(super) engineer: EngineerId,
    pub(super) bytes: u64,
    /// The entry that replaced these lists of a feature; `None` for other texts.
    pub(super) replaced_at: Option<u64>,
}

impl World {
    pub(super) fn feature(&self, project: ProjectId, slug: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.project == project && feature.slug == slug)
    }

    pub(super) fn feature_mut(&mut self, project: ProjectId, slug: &str) -> &mut Feature {
        let found =
            self.features.iter_mut().find(|feature| feature.project == project && feature.slug == slug);
        found.expect("the feature was found before")
    }

    pub(super) fn feature_by_id(&self, project: ProjectId, id: FeatureId) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.project == project && feature.id == id)
    }

    pub(super) fn session_of(
        &self,
        project: ProjectId,
        engineer: EngineerId,
        agent: Option<&str>,
    ) -> Option<&Session> {
        self.sessions.values().find(|session| {
            session.project == project && session.engineer == engineer && session.agent.as_deref() == agent
        })
    }

    pub(super) fn claim(
        &self,
        session: SessionId,
        feature: Option<FeatureId>,
        path: &Pattern,
    ) -> Option<&Claim> {
        self.claims
            .iter()
            .find(|claim| claim.session == session && claim.feature == feature && claim.path == *path)
    }

    pub(super) fn case_of(&self, project: ProjectId) -> Case {
        self.projects.get(&project).map_or(Case::Sensitive, |project| project.case)
    }

    /// The features that a session has picked.
    pub(super) fn picked_by(&self, session: SessionId) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(move |feature| feature.is_held_by(session))
    }
}

impl Feature {
    pub(super) const fn holder(&self) -> Option<(SessionId, EngineerId)> {
        match &self.status {
            Status::Active { session, engineer, .. } => Some((*session, *engineer)),
            _ => None,
        }
    }

    pub(super) fn is_held_by(&self, by: SessionId) -> bool {
        self.holder().is_some_and(|(session, _)| session == by)
    }

    /// Both lists of paths, one after the other.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Pattern> {
        self.touches.iter().chain(&self.reads)
    }

    pub(super) fn list_bytes(&self) -> usize {
        let paths = self.paths().map(|path| path.as_str().len());
        paths.chain(self.depends_on.iter().map(String::len)).sum()
    }

    pub(super) fn outcome(&self, kind: &str) -> Outcome {
        let (holder, fence, is_interrupted) = match self.status {
            Status::Active { session, fence, .. } => (Some(session), Some(fence), false),
            Status::Done { session } => (Some(session), None, false),
            Status::Ready { is_interrupted } => (None, None, is_interrupted),
            Status::Draft | Status::Cancelled => (None, None, false),
        };
        Outcome::of_kind(kind)
            .is("feature", self.id)
            .is("slug", &self.slug)
            .is("status", self.status.name())
            .is("holder", format!("{holder:?}"))
            .is("fence", format!("{fence:?}"))
            .is("interrupted", is_interrupted)
            .is("lane", self.lane.name())
            .is("priority", self.priority)
            .is("charged to", self.charged_to)
            .is("lists at", self.lists_at)
            .list("touches", self.touches.iter().map(Pattern::as_str))
            .list("reads", self.reads.iter().map(Pattern::as_str))
            .list("depends on", &self.depends_on)
    }
}

impl Status {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ready { .. } => "ready",
            Self::Active { .. } => "active",
            Self::Done { .. } => "done",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Cancelled)
    }
}

impl Session {
    pub(super) fn outcome(&self, kind: &str) -> Outcome {
        let lease = if self.is_active { "active" } else { "disconnected" };
        Outcome::of_kind(kind)
            .is("session", self.id)
            .is("engineer", self.engineer)
            .is("agent", format!("{:?}", self.agent))
            .is("works on", format!("{:?}", self.feature))
            .is("mode", format!("{:?}", self.mode))
            .is("lease", format!("{lease} until {}", self.until))
    }
}
