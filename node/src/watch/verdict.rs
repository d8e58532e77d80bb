//! How the cluster looks to this node, and since when. It is kept in memory, as the time at which it changed last:
//! after a restart, it counts from there.

use nexus_api_types::cluster::Health;
use nexus_domain::WallTime;
use std::sync::{Mutex, PoisonError};

/// The last verdict, and the time at which it became that.
#[derive(Debug, Default)]
pub(crate) struct Verdict(Mutex<Option<(Health, WallTime)>>);

impl Verdict {
    /// The health and the time since which it is that; none before the first look.
    pub(crate) fn last(&self) -> Option<(Health, WallTime)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how the cluster looks now.
    pub(crate) fn note(&self, health: Health, now: WallTime) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|(before, _)| before != health) {
            *last = Some((health, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_counts_from_its_last_change() {
        let verdict = Verdict::default();
        assert_eq!(verdict.last(), None);
        for (health, at) in
            [(Health::Healthy, 1), (Health::Healthy, 2), (Health::Degraded, 3), (Health::Degraded, 4)]
        {
            verdict.note(health, WallTime(at));
        }
        assert_eq!(verdict.last(), Some((Health::Degraded, WallTime(3))));
        verdict.note(Health::Healthy, WallTime(5));
        assert_eq!(verdict.last(), Some((Health::Healthy, WallTime(5))));
    }
}
