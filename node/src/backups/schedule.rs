//! When a backup is due, and whose turn it is. Decides from what is in the store and from what other nodes report, so
//! that it needs no memory of its own and no agreement: the worst that a wrong view of others costs is a wait.

use super::destination::Address;
use nexus_domain::WallTime;
use std::{num::NonZeroUsize, time::Duration};

/// How much later than the node before it a node takes its turn, unless backups are more frequent. Longer than a store
/// needs to show what was written, and than most backups take.
const TURN: Duration = Duration::from_secs(30);
/// The time to which a clock may be ahead of another one. A backup of a later time does not count for the schedule: it
/// would stop it until then.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// How many backups are kept, and for how long. A backup that is too many or too old is deleted; the last one never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The number of backups that are kept.
    pub keep: NonZeroUsize,
    /// The age after which they are deleted, if any.
    pub keep_for: Option<Duration>,
}

/// The backups that a node takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The folder or the store that they go to.
    pub to: Address,
    /// The time from one to the next.
    pub every: Duration,
    /// How many are kept, and for how long.
    pub retention: Retention,
}

/// Another node with the same schedule, as it reports itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Other {
    /// Whether it is asked before this node, if both could take a backup.
    pub(crate) goes_first: bool,
    /// Whether it is taking one.
    pub(crate) is_running: bool,
}

/// Whether the time of a backup has come, as far as clocks agree. Only such a backup counts for the schedule.
pub(crate) fn has_come(at: WallTime, now: WallTime) -> bool {
    at.0 <= now.0.saturating_add(millis(CLOCK_TOLERANCE))
}

/// The state of a schedule, as a node sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook<'a> {
    /// The time of the newest backup in the store that counts, see [`has_come`].
    pub(crate) newest: Option<WallTime>,
    /// The time now.
    pub(crate) now: WallTime,
    /// When this node began to follow the schedule. A store without any backup says nothing about the time of the
    /// first.
    pub(crate) began: WallTime,
    /// The other nodes with the same schedule.
    pub(crate) others: &'a [Other],
}

impl Outlook<'_> {
    /// How long to wait before the next backup; zero if this node takes one now.
    pub(crate) fn wait(&self, every: Duration) -> Duration {
        let pause = TURN.min(every);
        // A clock that was set back since the start would stop the first backup until it is there again.
        let began = self.began.min(self.now);
        let due = self.newest.map_or(began.0, |newest| newest.0.saturating_add(millis(every)));
        let before = self.others.iter().filter(|other| other.goes_first).count();
        let turn =
            due.saturating_add(millis(pause.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX))));
        let wait = Duration::from_millis(u64::try_from(turn.saturating_sub(self.now.0)).unwrap_or(0));
        if self.others.iter().any(|other| other.is_running) { wait.max(pause) } else { wait }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const BEGAN: WallTime = WallTime(1_000_000_000);

    fn other(goes_first: bool, is_running: bool) -> Other {
        Other { goes_first, is_running }
    }

    fn wait(newest: Option<i64>, seconds: i64, others: &[Other]) -> u64 {
        let at = |seconds: i64| WallTime(BEGAN.0 + seconds * 1_000);
        let outlook = Outlook { newest: newest.map(at), now: at(seconds), began: BEGAN, others };
        outlook.wait(HOUR).as_secs()
    }

    #[test]
    fn the_next_backup_follows_from_the_newest_one_in_the_store() {
        assert_eq!(wait(Some(-600), 0, &[]), 3_000, "whoever has taken it");
        assert_eq!(wait(Some(-3_600), 0, &[]), 0);
        assert_eq!(wait(Some(-9_999), 0, &[]), 0, "after an outage, one is enough");
        assert_eq!(wait(None, 0, &[]), 0, "the first one");
    }

    #[test]
    fn nodes_take_turns_and_the_next_one_steps_in_where_one_fails() {
        let before = [other(true, false), other(false, false), other(true, false)];
        assert_eq!(wait(Some(-3_600), 0, &before), 60, "two go first");
        assert_eq!(wait(Some(-3_600), 59, &before), 1);
        assert_eq!(wait(Some(-3_600), 60, &before), 0, "neither of them has");
        assert_eq!(wait(None, 59, &before), 1, "the same for the first one");
        assert_eq!(wait(Some(-3_600), 0, &[other(false, false)]), 0);
    }

    #[test]
    fn nobody_begins_while_another_node_takes_one() {
        assert_eq!(wait(Some(-9_999), 0, &[other(false, true)]), TURN.as_secs());
        assert_eq!(wait(Some(0), 0, &[other(false, true)]), 3_600);
    }

    #[test]
    fn a_backup_from_a_wrong_clock_neither_stops_the_schedule_nor_hurries_it() {
        let at = |seconds: i64| WallTime(BEGAN.0 + seconds * 1_000);
        let mut stored = vec![at(86_400)];
        let mut taken = Vec::new();
        for seconds in (0..3 * 3_600).step_by(30) {
            let now = at(seconds);
            let newest = stored.iter().copied().filter(|at| has_come(*at, now)).max();
            if (Outlook { newest, now, began: BEGAN, others: &[] }).wait(HOUR).is_zero() {
                taken.push(seconds);
                stored.push(now);
            }
        }
        assert_eq!(taken, [0, 3_600, 7_200]);
        assert!(has_come(at(60), at(0)), "a minute is no reason for a second one");
        assert_eq!(wait(Some(60), 0, &[]), 3_660);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_first_backup() {
        assert_eq!(wait(None, -9_999, &[]), 0);
    }
}
