//! What an operator may tune while the cluster runs. Replicated, so that every node obeys the same.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Who may register as an engineer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Registration {
    /// Anyone who reaches the cluster.
    #[default]
    Open,
    /// Only with an invitation of an admin.
    Invite,
    /// Nobody.
    Closed,
}

/// The cluster's settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Who may register.
    pub registration: Registration,
    /// A session that beats is disconnected after this long without a heartbeat.
    pub session_timeout: Millis,
    /// A disconnected session keeps its claims for this long.
    pub session_grace: Millis,
    /// A session that never beat is disconnected after this long without a request.
    pub session_unattended: Millis,
    /// How many revisions of events are kept.
    pub event_revisions: u64,
    /// How many answers to clients' own idempotency keys are remembered for retries; more only where they are
    /// young.
    pub replies: u64,
    /// How long an answer to a client's own idempotency key is remembered.
    pub reply_age: Millis,
    /// How long events are kept at most.
    pub event_age: Millis,
}

/// Changes of the settings; what is none stays. A patch and not the whole, so that two operators who
/// change two settings at once both succeed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SettingsPatch {
    /// New [`Settings::registration`].
    pub registration: Option<Registration>,
    /// New [`Settings::session_timeout`].
    pub session_timeout: Option<Millis>,
    /// New [`Settings::session_grace`].
    pub session_grace: Option<Millis>,
    /// New [`Settings::session_unattended`].
    pub session_unattended: Option<Millis>,
    /// New [`Settings::event_revisions`].
    pub event_revisions: Option<u64>,
    /// New [`Settings::replies`].
    pub replies: Option<u64>,
    /// New [`Settings::reply_age`].
    pub reply_age: Option<Millis>,
    /// New [`Settings::event_age`].
    pub event_age: Option<Millis>,
}

impl Settings {
    /// These settings with some changed.
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
        }
    }

    /// Shortest lease that can be set: below it, one lost packet would end sessions.
    pub const MIN_LEASE: Millis = Millis(100);
    /// Longest lease that can be set: 30 days.
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
            // About 500 bytes each in memory: 25 MB when so many were written within the age.
            replies: 50_000,
            reply_age: Millis::from_secs(24 * 3600),
            // A consumer that was away for a weekend resumes without starting over.
            event_age: Millis::from_secs(7 * 24 * 3600),
        }
    }
}
