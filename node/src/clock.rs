//! Time on this node: handed in, so that a simulation can hand in its own, and the leader's
//! cluster time made from it.

use nexus_domain::{ClusterTime, Millis, WallTime};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// A node's clocks. The only source of time for what the cluster decides.
pub trait Clock: Send + Sync + 'static {
    /// Never moves back, never jumps.
    fn monotonic(&self) -> Instant;
    /// For people; may jump.
    fn wall(&self) -> WallTime;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> WallTime {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        WallTime(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A step longer than this was not lived through: the process was paused, or the machine slept.
/// Nobody could renew a lease meanwhile, so it does not count.
const LONGEST_STEP: Duration = Duration::from_secs(1);

/// The leader's cluster time: the last applied one plus monotonic time since then, counted only
/// while a quorum hears the leader. A lease can be lengthened by that, never shortened.
#[derive(Debug)]
pub struct LeaderClock(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    term: u64,
    time: ClusterTime,
    /// What is counted, beyond the whole milliseconds of `time`.
    rest: Duration,
    last: Instant,
}

impl LeaderClock {
    /// A clock that begins to count at `now`.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Inner { term: 0, time: ClusterTime(0), rest: Duration::ZERO, last: now }))
    }

    /// Cluster time now. To be asked at least once per [`LONGEST_STEP`], or time is lost.
    ///
    /// `applied` is the cluster time of the last applied entry, `has_quorum` whether a quorum
    /// acknowledged this leader of `term` a moment ago.
    pub fn now(&self, now: Instant, term: u64, applied: ClusterTime, has_quorum: bool) -> ClusterTime {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.term != term {
            // What was counted as a follower, or as a leader of long ago, says nothing.
            *inner = Inner { term, time: applied, rest: Duration::ZERO, last: now };
        }
        let step = now.saturating_duration_since(inner.last);
        inner.last = now;
        if has_quorum {
            let counted = inner.rest + step.min(LONGEST_STEP);
            let millis = counted.as_millis();
            inner.rest = counted - Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
            inner.time = inner.time.after(Millis(u64::try_from(millis).unwrap_or(u64::MAX)));
        }
        inner.time = inner.time.max(applied);
        inner.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[tokio::test]
    async fn a_new_leader_goes_on_from_the_last_applied_time() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        assert_eq!(clock.now(after(start, 60_000), 3, ClusterTime(500), true), ClusterTime(500));
        assert_eq!(clock.now(after(start, 60_250), 3, ClusterTime(500), true), ClusterTime(750));
    }

    #[tokio::test]
    async fn time_stands_still_while_no_quorum_hears_the_leader() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        clock.now(start, 1, ClusterTime(0), true);
        assert_eq!(clock.now(after(start, 900), 1, ClusterTime(0), false), ClusterTime(0));
        assert_eq!(clock.now(after(start, 1_000), 1, ClusterTime(0), true), ClusterTime(100));
    }

    #[tokio::test]
    async fn a_pause_of_the_process_counts_as_one_step_at_most() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        clock.now(start, 1, ClusterTime(0), true);
        assert_eq!(clock.now(after(start, 600_000), 1, ClusterTime(0), true), ClusterTime(1_000));
    }

    #[tokio::test]
    async fn time_never_falls_behind_what_was_applied_and_loses_no_fraction() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        clock.now(start, 1, ClusterTime(0), true);
        for step in 1..=1000_u64 {
            clock.now(start + Duration::from_micros(step * 900), 1, ClusterTime(0), true);
        }
        assert_eq!(clock.now(after(start, 900), 1, ClusterTime(0), true), ClusterTime(900));
        assert_eq!(clock.now(after(start, 900), 1, ClusterTime(5_000), true), ClusterTime(5_000));
    }
}
