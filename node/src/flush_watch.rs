//! Watches how long the log waits for the disk. A leader with a slow disk sends its heartbeats as ever, and
//! every write of the cluster waits for it (lavinmq#2151): it hands leadership over, and where that does
//! not get it out of the way, the node ends. A follower that is slow is only shown.

use crate::node::Node;
use nexus_raft_store::FlushStats;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// The flush is looked at this often.
const LOOK: Duration = Duration::from_millis(500);
/// A flush that takes longer is slow: a thousand times what a disk takes, and a quarter of what a request
/// may take.
const SLOW: Duration = Duration::from_secs(1);
/// Slow flushes in a row after which a leader hands over. One alone may be a hiccup.
const STRIKES: u32 = 3;
/// One flush that takes this long is enough.
const TOO_LONG: Duration = Duration::from_secs(2);
/// A leader whose flush takes this long, and that could not hand over, ends.
const STUCK: Duration = Duration::from_secs(10);
/// How long one hand-over may take, and how long it is before the next.
const HAND_OVER: Duration = Duration::from_secs(5);

/// What is to be done about the disk of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Slow,
    HandOver,
    Stuck,
}

/// Judges by what is seen now and then.
#[derive(Default)]
struct Judge {
    flushes: u64,
    strikes: u32,
}

impl Judge {
    fn look(&mut self, flushes: u64, last: Duration, waiting: Duration) -> Verdict {
        if flushes != self.flushes {
            self.flushes = flushes;
            self.strikes = if last >= SLOW { self.strikes + 1 } else { 0 };
        }
        match waiting {
            waiting if waiting >= STUCK => Verdict::Stuck,
            waiting if waiting >= TOO_LONG || self.strikes >= STRIKES => Verdict::HandOver,
            waiting if waiting >= SLOW || self.strikes > 0 => Verdict::Slow,
            _ => Verdict::Fine,
        }
    }

    fn look_at(&mut self, stats: &FlushStats) -> Verdict {
        self.look(stats.flushes(), stats.last(), stats.waiting().unwrap_or_default())
    }
}

/// Watches for as long as the node runs; a leader that has to end says so through `fail`.
pub(crate) async fn watch(node: Arc<Node>, fail: watch::Sender<Option<String>>, stop: CancellationToken) {
    let stats = node.store.flush_stats();
    let mut judge = Judge::default();
    let mut handed_over = None::<Instant>;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        let verdict = judge.look_at(&stats);
        let was_slow = node.flush_slow.swap(verdict != Verdict::Fine, Ordering::Relaxed);
        if verdict != Verdict::Fine && !was_slow {
            tracing::warn!(
                last_ms = stats.last().as_millis(),
                waiting_ms = stats.waiting().unwrap_or_default().as_millis(),
                "the disk is slow: writes wait for it"
            );
        }
        let must_go = node.leader_id() == Some(node.id) && node.has_other_voters();
        match verdict {
            Verdict::Stuck if must_go => {
                let waiting = stats.waiting().unwrap_or_default().as_secs();
                let _ = fail.send(Some(format!(
                    "its disk has not finished a flush for {waiting} s, and it could not hand leadership over"
                )));
                return;
            }
            Verdict::HandOver if must_go && handed_over.is_none_or(|at| at.elapsed() >= HAND_OVER) => {
                handed_over = Some(Instant::now());
                // On the side: the flush is watched meanwhile.
                let node = node.clone();
                tokio::spawn(async move {
                    let to = node.successors().next();
                    tracing::warn!(?to, "the disk of this leader is too slow: handing leadership over");
                    match timeout(HAND_OVER, node.transfer_leader(to)).await {
                        Ok(Ok(_)) => tracing::info!("leadership handed over"),
                        Ok(Err(why)) => tracing::warn!(?why, "leadership not handed over"),
                        Err(_) => tracing::warn!("leadership not handed over in time"),
                    }
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(2);

    #[test]
    fn one_slow_flush_is_a_hiccup_and_three_in_a_row_are_a_slow_disk() {
        let mut judge = Judge::default();
        assert_eq!(judge.look(1, QUICK, Duration::ZERO), Verdict::Fine);
        assert_eq!(judge.look(2, SLOW, Duration::ZERO), Verdict::Slow);
        // The same flush is not counted twice.
        assert_eq!(judge.look(2, SLOW, Duration::ZERO), Verdict::Slow);
        assert_eq!(judge.look(3, SLOW, Duration::ZERO), Verdict::Slow);
        assert_eq!(judge.look(4, SLOW, Duration::ZERO), Verdict::HandOver);
        assert_eq!(judge.look(5, QUICK, Duration::ZERO), Verdict::Fine);
    }

    #[test]
    fn a_flush_that_does_not_end_is_too_long_and_then_stuck() {
        let mut judge = Judge::default();
        assert_eq!(judge.look(1, QUICK, SLOW), Verdict::Slow);
        assert_eq!(judge.look(1, QUICK, TOO_LONG), Verdict::HandOver);
        assert_eq!(judge.look(1, QUICK, STUCK), Verdict::Stuck);
    }
}
