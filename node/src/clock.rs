//! Time on this node: handed in, so that a simulation can hand in its own, and the leader's
//! cluster time made from it.

use nexus_domain::{ClusterTime, Millis, WallTime};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
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

/// A leader says its cluster time to all others this often while a lease is running. Entries carry it too, but
/// not when nothing is written: then a new leader would begin again where the last entry was.
pub const TELL_TIME: Duration = Duration::from_millis(300);

/// The leader's cluster time: the last one that is known plus monotonic time since then, counted only
/// while a quorum hears the leader. A lease can be lengthened by that, never shortened.
///
/// What is known is the time of the last applied entry, or what the last leader said since: each change of leader
/// lengthens a lease by [`TELL_TIME`] and by the time that the cluster is without one.
#[derive(Debug)]
pub struct LeaderClock(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    term: u64,
    time: ClusterTime,
    /// What is counted, beyond the whole milliseconds of `time`.
    rest: Duration,
    last: Instant,
    /// The latest time that another leader said. It had lived through it with a quorum.
    heard: ClusterTime,
}

impl LeaderClock {
    /// A clock that begins to count at `now`.
    pub fn new(now: Instant) -> Self {
        let (time, heard) = (ClusterTime(0), ClusterTime(0));
        Self(Mutex::new(Inner { term: 0, time, rest: Duration::ZERO, last: now, heard }))
    }

    /// Takes note of what another node says that leads: if this one leads later, it goes on from there.
    pub fn hear(&self, time: ClusterTime) {
        let mut inner = self.lock();
        inner.heard = inner.heard.max(time);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cluster time now. To be asked at least once per [`LONGEST_STEP`], or time is lost.
    ///
    /// `applied` is the cluster time of the last applied entry, `has_quorum` whether a quorum
    /// acknowledged this leader of `term` a moment ago.
    pub fn now(&self, now: Instant, term: u64, applied: ClusterTime, has_quorum: bool) -> ClusterTime {
        let mut inner = self.lock();
        if inner.term != term {
            // The time since it led, or asked, last says nothing; what it had counted by then was lived through.
            let (heard, time) = (inner.heard, inner.time.max(inner.heard).max(applied));
            *inner = Inner { term, time, rest: Duration::ZERO, last: now, heard };
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

    #[tokio::test]
    async fn a_new_leader_goes_on_from_what_the_last_one_said() {
        let start = Instant::now();
        let clock = LeaderClock::new(start);
        clock.hear(ClusterTime(900));
        clock.hear(ClusterTime(800));
        assert_eq!(clock.now(start, 3, ClusterTime(500), true), ClusterTime(900));
        assert_eq!(clock.now(after(start, 100), 3, ClusterTime(500), true), ClusterTime(1_000));
        clock.hear(ClusterTime(9_000));
        assert_eq!(
            clock.now(after(start, 200), 3, ClusterTime(500), true),
            ClusterTime(1_100),
            "it leads itself"
        );
    }

    #[tokio::test]
    async fn a_hundred_changes_of_leader_lengthen_a_lease_by_less_than_a_second_each_and_never_shorten_it() {
        /// Between two changes, and how long each time nobody leads.
        const LEADS_MS: u64 = 2_000;
        const NOBODY_LEADS_MS: u64 = 400;
        const LOOK_MS: u64 = 100;
        let start = Instant::now();
        let clocks: Vec<LeaderClock> = (0..3).map(|_| LeaderClock::new(start)).collect();
        // The time of the leader, and what it has said of it: what nobody was told was never there.
        let (mut now, mut known, mut said) = (0, ClusterTime(0), ClusterTime(0));
        for change in 0..100_u64 {
            now += NOBODY_LEADS_MS;
            let leader = usize::try_from(change % 3).expect("one of three");
            let (mut told, end) = (now, now + LEADS_MS);
            while now < end {
                let time = clocks[leader].now(after(start, now), change + 1, ClusterTime(0), true);
                assert!(time >= said, "cluster time moved back");
                assert!(time.0 <= now, "a lease would be cut short");
                known = time;
                if now - told >= TELL_TIME.as_millis() as u64 {
                    (told, said) = (now, time);
                    clocks.iter().for_each(|clock| clock.hear(time));
                }
                now += LOOK_MS;
            }
        }
        assert!(now - known.0 <= 100 * 1_000, "{} ms were lost", now - known.0);
    }
}
