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
    /// How many answers are remembered for retries.
    pub replies: u64,
    /// How long an answer to a client's own idempotency key is remembered.
    pub reply_age: Millis,
    /// How long events are kept at most.
    pub event_age: Millis,
}

impl Settings {
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
            // About 500 bytes each in memory: 10 MB.
            replies: 20_000,
            reply_age: Millis::from_secs(24 * 3600),
            // A consumer that was away for a weekend resumes without starting over.
            event_age: Millis::from_secs(7 * 24 * 3600),
        }
    }
}
