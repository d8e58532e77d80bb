//! Statistics of applied entries, for metrics. They count from the start of the process, and no rule depends on them.

use crate::latency::LatencyHistogram;
use nexus_domain::{
    ClusterTime, Event,
    entity::{LeaseState, ReleaseReason, Session},
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Statistics of applied entries since the start of the process.
#[derive(Debug, Default)]
pub struct ApplyStats {
    latency: LatencyHistogram,
    leases_expired: AtomicU64,
}

impl ApplyStats {
    /// How long it took to apply each batch of entries, from its first entry until its state was written and published.
    pub fn latency(&self) -> &LatencyHistogram {
        &self.latency
    }

    /// The number of sessions that ended because their lease and their grace ran out.
    pub fn leases_expired(&self) -> u64 {
        self.leases_expired.load(Ordering::Relaxed)
    }

    /// Counts the end of a session whose lease ran out. `now` is the cluster time of the entry.
    pub(super) fn count_if_expired(&self, event: &Event, now: ClusterTime) {
        if let Event::SessionEnded(session) = event
            && has_expired(session, now)
        {
            self.leases_expired.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether a session that ended did so by itself. The event has the session as it was before.
fn has_expired(session: &Session, now: ClusterTime) -> bool {
    match &session.lease {
        LeaseState::Active { .. } => false,
        LeaseState::Disconnected { until } => *until <= now,
        LeaseState::Ending { reason } => *reason == ReleaseReason::Expired,
    }
}
