//! The settings that an operator may change while the cluster runs. They are replicated, so that all nodes agree.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Revisions by which events may outlive their limit: the store prunes them only now and then.
const PRUNE_SLACK: u64 = 2_048;

/// The rule for the registration of engineers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Registration {
    /// Anyone who reaches the cluster.
    #[default]
    Open,
    /// Only engineers whom an admin registers.
    Invite,
    /// Nobody may register.
    Closed,
}

/// Storage quotas, compared with what [`Usage`](crate::usage::Usage) counts. The defaults are far above what a team
/// needs, and low enough that one team cannot fill a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quotas {
    /// Bytes of memory of one project.
    pub project_memory: u64,
    /// Bytes of texts of one project.
    pub project_texts: u64,
    /// Bytes of memory of what one engineer created, in all projects.
    pub engineer_memory: u64,
    /// Bytes of texts of what one engineer wrote, in all projects.
    pub engineer_texts: u64,
    /// Projects that one engineer created.
    pub engineer_projects: u64,
    /// Bytes of memory of the whole cluster.
    pub cluster_memory: u64,
    /// Bytes of texts of the whole cluster.
    pub cluster_texts: u64,
}

impl Quotas {
    /// The quotas that are in bytes, with the names of their settings.
    pub(crate) const fn in_bytes(&self) -> [(&'static str, u64); 6] {
        [
            ("quota.project.memory", self.project_memory),
            ("quota.project.texts", self.project_texts),
            ("quota.engineer.memory", self.engineer_memory),
            ("quota.engineer.texts", self.engineer_texts),
            ("quota.cluster.memory", self.cluster_memory),
            ("quota.cluster.texts", self.cluster_texts),
        ]
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            // 10,000 features of 100 paths, or 700,000 claims.
            project_memory: 256 << 20,
            project_texts: 2 << 30,
            engineer_memory: 256 << 20,
            engineer_texts: 2 << 30,
            engineer_projects: 1_000,
            cluster_memory: 1 << 30,
            cluster_texts: 16 << 30,
        }
    }
}

/// The cluster's settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Whether engineers may register themselves. Default: open.
    pub registration: Registration,
    /// The lease of a session that sends heartbeats. Default: 90 s, from 0.1 s to 30 days.
    pub session_timeout: Millis,
    /// How long a disconnected session keeps its claims. Default: 5 minutes, at most 30 days.
    pub session_grace: Millis,
    /// The lease of a session that never sent a heartbeat. Default: 2 hours, from 0.1 s to 30 days.
    pub session_unattended: Millis,
    /// The number of revisions whose events are kept. Default: 100,000, from 1,000 to 10,000,000.
    pub event_revisions: u64,
    /// The number of cached replies to requests with an idempotency key; young replies may exceed it. Default: 50,000,
    /// from 100 to 1,000,000.
    pub replies: u64,
    /// How long a reply to a request with an idempotency key is cached. Default: 24 hours, from 0.1 s to 30 days.
    pub reply_age: Millis,
    /// How long events are kept at most. Default: 7 days, from 0.1 s to 30 days.
    pub event_age: Millis,
    /// The bytes of stored events. Default: 4 GiB, from 1 MiB to 1 TiB.
    pub event_bytes: u64,
    /// Storage quotas of projects, engineers and the cluster.
    pub quotas: Quotas,
}

/// Changes of the settings. A field that is `None` stays, so that two operators who change two settings at once both
/// succeed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SettingsPatch {
    /// Whether engineers may register themselves, as in [`Settings::registration`].
    pub registration: Option<Registration>,
    /// The lease of a session that sends heartbeats, as in [`Settings::session_timeout`].
    pub session_timeout: Option<Millis>,
    /// How long a disconnected session keeps its claims, as in [`Settings::session_grace`].
    pub session_grace: Option<Millis>,
    /// The lease of a session that never sent a heartbeat, as in [`Settings::session_unattended`].
    pub session_unattended: Option<Millis>,
    /// The number of revisions whose events are kept, as in [`Settings::event_revisions`].
    pub event_revisions: Option<u64>,
    /// The number of cached replies, as in [`Settings::replies`].
    pub replies: Option<u64>,
    /// How long a reply is cached, as in [`Settings::reply_age`].
    pub reply_age: Option<Millis>,
    /// How long events are kept, as in [`Settings::event_age`].
    pub event_age: Option<Millis>,
    /// The bytes of stored events, as in [`Settings::event_bytes`].
    pub event_bytes: Option<u64>,
    /// New values of some of [`Settings::quotas`].
    pub quotas: QuotasPatch,
}

/// Changes of the quotas. A field that is `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct QuotasPatch {
    /// Bytes of memory of one project, as in [`Quotas::project_memory`].
    pub project_memory: Option<u64>,
    /// Bytes of texts of one project, as in [`Quotas::project_texts`].
    pub project_texts: Option<u64>,
    /// Bytes of memory of one engineer, as in [`Quotas::engineer_memory`].
    pub engineer_memory: Option<u64>,
    /// Bytes of texts of one engineer, as in [`Quotas::engineer_texts`].
    pub engineer_texts: Option<u64>,
    /// Projects of one engineer, as in [`Quotas::engineer_projects`].
    pub engineer_projects: Option<u64>,
    /// Bytes of memory of the cluster, as in [`Quotas::cluster_memory`].
    pub cluster_memory: Option<u64>,
    /// Bytes of texts of the cluster, as in [`Quotas::cluster_texts`].
    pub cluster_texts: Option<u64>,
}

impl Quotas {
    /// These quotas with the changes of a patch.
    #[must_use]
    pub fn with(&self, patch: &QuotasPatch) -> Self {
        Self {
            project_memory: patch.project_memory.unwrap_or(self.project_memory),
            project_texts: patch.project_texts.unwrap_or(self.project_texts),
            engineer_memory: patch.engineer_memory.unwrap_or(self.engineer_memory),
            engineer_texts: patch.engineer_texts.unwrap_or(self.engineer_texts),
            engineer_projects: patch.engineer_projects.unwrap_or(self.engineer_projects),
            cluster_memory: patch.cluster_memory.unwrap_or(self.cluster_memory),
            cluster_texts: patch.cluster_texts.unwrap_or(self.cluster_texts),
        }
    }
}

impl Settings {
    /// These settings with the changes of a patch.
    pub fn with(&self, patch: &SettingsPatch) -> Self {
        Self {
            registration: patch.registration.unwrap_or(self.registration),
            session_timeout: patch.session_timeout.unwrap_or(self.session_timeout),
            session_grace: patch.session_grace.unwrap_or(self.session_grace),
            session_unattended: patch.session_unattended.unwrap_or(self.session_unattended),
            event_revisions: patch.event_revisions.unwrap_or(self.event_revisions),
            replies: patch.replies.unwrap_or(self.replies),
            reply_age: patch.reply_age.unwrap_or(self.reply_age),
            event_age: patch.event_age.unwrap_or(self.event_age),
            event_bytes: patch.event_bytes.unwrap_or(self.event_bytes),
            quotas: self.quotas.with(&patch.quotas),
        }
    }

    /// The number of entries whose events may be stored: the limit, and those that are not pruned yet.
    pub(crate) const fn most_event_revisions(&self) -> u64 {
        self.event_revisions.saturating_add(PRUNE_SLACK)
    }

    /// The lowest value of a limit in bytes: 1 MiB.
    pub const MIN_BYTES: u64 = 1 << 20;
    /// The highest value of a limit in bytes: 1 TiB.
    pub const MAX_BYTES: u64 = 1 << 40;
    /// The shortest lease. Below it, one lost packet would end sessions.
    pub const MIN_LEASE: Millis = Millis(100);
    /// The longest lease: 30 days.
    pub const MAX_LEASE: Millis = Millis::from_secs(30 * 24 * 3600);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            session_timeout: Millis::from_secs(90),
            session_grace: Millis::from_secs(300),
            session_unattended: Millis::from_secs(2 * 3600),
            event_revisions: 100_000,
            // About 500 bytes each in memory: 25 MB when this many were written within the age.
            replies: 50_000,
            reply_age: Millis::from_secs(24 * 3600),
            // A consumer that was away for a weekend resumes without starting over.
            event_age: Millis::from_secs(7 * 24 * 3600),
            // Ordinary ones take some hundred bytes; those that name thousands of paths take a MiB.
            event_bytes: 4 << 30,
            quotas: Quotas::default(),
        }
    }
}
