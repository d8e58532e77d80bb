//! When this node last passed on that a session acts. Knows nothing of leases, and of other nodes.

use nexus_domain::SessionId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Sessions remembered on one node, at about 40 bytes each. Full, it starts anew: each is passed on once more.
const REMEMBERED: usize = 50_000;

/// When sessions were last passed on.
#[derive(Debug, Default)]
pub(crate) struct Touches(Mutex<HashMap<SessionId, Instant>>);

impl Touches {
    /// Whether a session is to be passed on again; it counts as done then.
    pub(crate) fn is_due(&self, session: SessionId, pause: Duration, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&session).is_some_and(|at| now.saturating_duration_since(*at) < pause) {
            return false;
        }
        if last.len() >= REMEMBERED {
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
        let (touches, start, pause) = (Touches::default(), Instant::now(), Duration::from_secs(9));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(touches.is_due(SessionId::MIN, pause, at(0)));
        assert!(!touches.is_due(SessionId::MIN, pause, at(8)));
        assert!(touches.is_due(SessionId::MIN, pause, at(9)));
        assert!(!touches.is_due(SessionId::MIN, pause, at(10)));
    }
}
