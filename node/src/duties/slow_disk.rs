//! Watches how long the log waits for the disk. A leader with a slow disk sends its heartbeats as ever, and every write
//! of the cluster waits for it (lavinmq#2151): it hands leadership over, and if that fails, the node ends. A slow
//! follower is only reported.

use crate::{
    membership::change::Membership,
    node::Node,
    watch::{disk::Disk, reports::Reports},
};
use nexus_raft_store::FlushStats;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// How often flushes are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// A flush that takes longer is slow. This is a thousand times the usual time, and a quarter of what a request may
/// take.
const SLOW: Duration = Duration::from_secs(1);
/// Slow flushes in a row after which a leader hands over. A single one may be an exception.
const MAX_SLOW_FLUSHES: u32 = 3;
/// A leader also hands over when one flush takes this long.
const TOO_LONG: Duration = Duration::from_secs(2);
/// A leader ends when it could not hand over and one flush takes this long.
const STUCK: Duration = Duration::from_secs(10);
/// Longest time of one hand-over, and the shortest between two.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How the flushes of a leader are doing, and so what it has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlushState {
    Fine,
    Slow,
    HandOver,
    Stuck,
}

/// Follows the flushes from check to check.
#[derive(Default)]
struct FlushMonitor {
    flushes: u64,
    slow_flushes: u32,
}

impl FlushMonitor {
    fn check(&mut self, flushes: u64, last: Duration, waiting: Duration) -> FlushState {
        if flushes != self.flushes {
            self.flushes = flushes;
            self.slow_flushes = if last >= SLOW { self.slow_flushes + 1 } else { 0 };
        }
        match waiting {
            waiting if waiting >= STUCK => FlushState::Stuck,
            waiting if waiting >= TOO_LONG || self.slow_flushes >= MAX_SLOW_FLUSHES => FlushState::HandOver,
            waiting if waiting >= SLOW || self.slow_flushes > 0 => FlushState::Slow,
            _ => FlushState::Fine,
        }
    }

    fn check_stats(&mut self, stats: &FlushStats) -> FlushState {
        self.check(stats.flushes(), stats.last(), stats.waiting().unwrap_or_default())
    }
}

/// Watches the flushes of a node.
pub(crate) struct FlushWatch {
    pub(crate) node: Node,
    pub(crate) disk: Arc<Disk>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) reports: Arc<Reports>,
}

impl FlushWatch {
    /// Runs for as long as the node does. Sends the reason through `fail` when this node has to end.
    pub(crate) async fn run(self, fail: watch::Sender<Option<String>>, stop: CancellationToken) {
        let stats = self.node.store.flush_stats();
        let mut monitor = FlushMonitor::default();
        let mut handed_over = None::<Instant>;
        loop {
            tokio::select! {
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
            let state = monitor.check_stats(&stats);
            let was_slow = self.disk.set_slow(state != FlushState::Fine);
            if state != FlushState::Fine && !was_slow {
                tracing::warn!(
                    last_ms = stats.last().as_millis(),
                    waiting_ms = stats.waiting().unwrap_or_default().as_millis(),
                    "the disk is slow: writes wait for it"
                );
            }
            let must_go = self.node.leads() && self.node.has_other_voters();
            match state {
                FlushState::Stuck if must_go => {
                    let waiting = stats.waiting().unwrap_or_default().as_secs();
                    let _ = fail.send(Some(format!(
                        "its disk has not finished a flush for {waiting} s, and it could not hand leadership over"
                    )));
                    return;
                }
                FlushState::HandOver
                    if must_go && handed_over.is_none_or(|at| at.elapsed() >= HAND_OVER_TIMEOUT) =>
                {
                    handed_over = Some(Instant::now());
                    self.hand_over();
                }
                FlushState::Fine | FlushState::Slow | FlushState::HandOver | FlushState::Stuck => {}
            }
        }
    }

    /// Hands leadership over, in a task of its own, since flushes are watched meanwhile.
    fn hand_over(&self) {
        let (membership, to) = (self.membership.clone(), self.reports.successors().next());
        tokio::spawn(async move {
            tracing::warn!(?to, "the disk of this leader is too slow: handing leadership over");
            match timeout(HAND_OVER_TIMEOUT, membership.transfer_leader(to)).await {
                Ok(Ok(_)) => tracing::info!("leadership handed over"),
                Ok(Err(why)) => tracing::warn!(?why, "leadership not handed over"),
                Err(_) => tracing::warn!("leadership not handed over in time"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(2);

    #[test]
    fn one_slow_flush_is_an_exception_and_three_in_a_row_are_a_slow_disk() {
        let mut monitor = FlushMonitor::default();
        assert_eq!(monitor.check(1, QUICK, Duration::ZERO), FlushState::Fine);
        assert_eq!(monitor.check(2, SLOW, Duration::ZERO), FlushState::Slow);
        // The same flush is not counted twice.
        assert_eq!(monitor.check(2, SLOW, Duration::ZERO), FlushState::Slow);
        assert_eq!(monitor.check(3, SLOW, Duration::ZERO), FlushState::Slow);
        assert_eq!(monitor.check(4, SLOW, Duration::ZERO), FlushState::HandOver);
        assert_eq!(monitor.check(5, QUICK, Duration::ZERO), FlushState::Fine);
    }

    #[test]
    fn a_flush_that_does_not_end_is_too_long_and_then_stuck() {
        let mut monitor = FlushMonitor::default();
        assert_eq!(monitor.check(1, QUICK, SLOW), FlushState::Slow);
        assert_eq!(monitor.check(1, QUICK, TOO_LONG), FlushState::HandOver);
        assert_eq!(monitor.check(1, QUICK, STUCK), FlushState::Stuck);
    }
}
