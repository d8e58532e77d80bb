//! How often requests of a session count as a keep-alive. Knows nothing of leases, and nothing of other nodes.

use nexus_domain::SessionId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Sessions remembered on one node, at about 40 bytes each. When it is full, it is cleared: each session then sends one
/// keep-alive more than it has to.
const MAX_REMEMBERED: usize = 50_000;

/// When this node last sent a keep-alive for each session.
#[derive(Debug, Default)]
pub(crate) struct KeepAlives(Mutex<HashMap<SessionId, Instant>>);

impl KeepAlives {
    /// Whether the last keep-alive of a session is `pause` ago or more. If so, the next one counts as sent now.
    pub(crate) fn is_due(&self, session: SessionId, pause: Duration, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&session).is_some_and(|at| now.saturating_duration_since(*at) < pause) {
            return false;
        }
        if last.len() >= MAX_REMEMBERED {
            last.clear();
        }
        last.insert(session, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_passed_on_once_a_pause() {
        let (keep_alives, start, pause) = (KeepAlives::default(), Instant::now(), Duration::from_secs(9));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(keep_alives.is_due(SessionId::MIN, pause, at(0)));
        assert!(!keep_alives.is_due(SessionId::MIN, pause, at(8)));
        assert!(keep_alives.is_due(SessionId::MIN, pause, at(9)));
        assert!(!keep_alives.is_due(SessionId::MIN, pause, at(10)));
    }
}
