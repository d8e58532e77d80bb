//! The clocks of a node, as a trait that a simulation can implement, and the leader's cluster time, which is made from
//! them.

use nexus_domain::{ClusterTime, Millis, WallTime};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// A node's clocks. The only source of time for what the cluster decides.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time: it never goes back and never jumps.
    fn monotonic(&self) -> Instant;
    /// The time of day. It may jump in either direction.
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

/// At most this much of one step counts as cluster time. In a longer step the process was paused or the machine slept,
/// and no client could renew a lease meanwhile.
const LONGEST_STEP: Duration = Duration::from_secs(1);

/// A leader sends its cluster time to all members this often while a lease is running. Entries carry it too, but not
/// while nothing is written: a new leader would then start from the time of the last entry.
pub const TIME_BROADCAST_INTERVAL: Duration = Duration::from_millis(300);

/// The leader's cluster time: the last known time plus the monotonic time since then, which counts only while a quorum
/// acknowledges the leader. So a lease may become longer, and never shorter.
///
/// The last known time is that of the last applied entry, or a later one that the former leader sent. Each change of
/// leader lengthens a lease by up to [`TIME_BROADCAST_INTERVAL`] and by the time without a leader.
#[derive(Debug)]
pub struct LeaderClock(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    term: u64,
    time: ClusterTime,
    /// Counted time that is less than a millisecond, and not yet part of `time`.
    rest: Duration,
    last: Instant,
    /// The latest time that another leader sent. A quorum acknowledged that leader until then.
    received: ClusterTime,
}

impl LeaderClock {
    /// A clock that starts to count at `now`.
    pub fn new(now: Instant) -> Self {
        let (time, received) = (ClusterTime(0), ClusterTime(0));
        Self(Mutex::new(Inner { term: 0, time, rest: Duration::ZERO, last: now, received }))
    }

    /// Records the cluster time that another leader sent. If this node leads later, it continues from there.
    pub fn observe(&self, time: ClusterTime) {
        let mut inner = self.lock();
        inner.received = inner.received.max(time);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster time now. A leader calls this at least once per [`LONGEST_STEP`]; time beyond that does not count.
    ///
    /// `applied` is the cluster time of the last applied entry, `has_quorum` whether a quorum
    /// acknowledged this leader of `term` a moment ago.
    pub fn now(&self, now: Instant, term: u64, applied: ClusterTime, has_quorum: bool) -> ClusterTime {
        let mut inner = self.lock();
        if inner.term != term {
            // The time since its last term, or since the last call, does not count. What was counted by then stays.
            let (received, time) = (inner.received, inner.time.max(inner.received).max(applied));
            *inner = Inner { term, time, rest: Duration::ZERO, last: now, received };
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
    async fn a_new_leader_continues_from_the_last_applied_time() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        assert_eq!(clock.now(after(start, 60_000), 3, ClusterTime(500), true), ClusterTime(500));
        assert_eq!(clock.now(after(start, 60_250), 3, ClusterTime(500), true), ClusterTime(750));
    }

    #[tokio::test]
    async fn time_stands_still_while_no_quorum_acknowledges_the_leader() {
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

    #[tokio::test]
    async fn a_new_leader_continues_from_the_time_that_the_last_one_sent() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        clock.observe(ClusterTime(900));
        clock.observe(ClusterTime(800));
        assert_eq!(clock.now(start, 3, ClusterTime(500), true), ClusterTime(900));
        assert_eq!(clock.now(after(start, 100), 3, ClusterTime(500), true), ClusterTime(1_000));
        clock.observe(ClusterTime(9_000));
        assert_eq!(
            clock.now(after(start, 200), 3, ClusterTime(500), true),
            ClusterTime(1_100),
            "it leads itself"
        );
    }

    #[tokio::test]
    async fn a_hundred_changes_of_leader_lengthen_a_lease_by_less_than_a_second_each_and_never_shorten_it() {
        /// The time that each leader leads, and the time without a leader after it.
        const LEADS_MS: u64 = 2_000;
        const NOBODY_LEADS_MS: u64 = 400;
        const LOOK_MS: u64 = 100;
        let start = Instant::now();
        let clocks: Vec<LeaderClock> = (0..3).map(|_| LeaderClock::new(start)).collect();
        // The time of the leader, and the last one that it sent: time that was never sent does not exist for others.
        let (mut now, mut known, mut sent) = (0, ClusterTime(0), ClusterTime(0));
        for change in 0..100_u64 {
            now += NOBODY_LEADS_MS;
            let leader = usize::try_from(change % 3).expect("one of three");
            let (mut sent_at, end) = (now, now + LEADS_MS);
            while now < end {
                let time = clocks[leader].now(after(start, now), change + 1, ClusterTime(0), true);
                assert!(time >= sent, "cluster time moved back");
                assert!(time.0 <= now, "a lease would be cut short");
                known = time;
                if now - sent_at >= TIME_BROADCAST_INTERVAL.as_millis() as u64 {
                    (sent_at, sent) = (now, time);
                    clocks.iter().for_each(|clock| clock.observe(time));
                }
                now += LOOK_MS;
            }
        }
        assert!(now - known.0 <= 100 * 1_000, "{} ms were lost", now - known.0);
    }
}
