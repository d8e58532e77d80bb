//! What every node tells every other one about itself, every two seconds: how far its state is and what
//! that hashes to, how its disk does, what time it has. From it comes the alarm that two states have
//! drifted apart, and who may take leadership over. Never part of what the cluster decides.

use crate::{
    node::Node,
    peer::{
        PeerTarget,
        service::{NodeReport, ServiceRequest, ServiceResponse},
    },
};
use futures::future::join_all;
use nexus_domain::{NodeId, RulesVersion, WallTime};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two rounds of questions.
const PAUSE: Duration = Duration::from_secs(2);
/// A node that does not answer in this time is asked again in the next round.
const ONE_QUESTION: Duration = Duration::from_secs(1);
/// A report that is older says nothing about now.
const FRESH: Duration = Duration::from_secs(5);
/// A clock that is off by no more than this is left alone: questions take time, too.
const CLOCK_TOLERANCE_MS: i64 = 2_000;
/// Between two lines in the log about the same trouble.
const REMIND: Duration = Duration::from_secs(60);

/// Two nodes whose state is not the same, although the same entries made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divergence {
    /// The entry after which they were compared.
    pub(crate) index: u64,
    pub(crate) ours: u64,
    pub(crate) theirs: u64,
}

/// What the others said.
#[derive(Default)]
pub(crate) struct Reports {
    seen: Mutex<BTreeMap<NodeId, Seen>>,
    /// What [`Reports::correct_clock`] found last: every request asks for it.
    clock_correction_ms: AtomicI64,
}

struct Seen {
    report: NodeReport,
    at: Instant,
    /// How far its clock is ahead of this node's, in milliseconds.
    ahead_ms: i64,
    diverged: Option<Divergence>,
    told: Option<Instant>,
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a node said a moment ago.
    pub(crate) fn of(&self, node: NodeId) -> Option<NodeReport> {
        let seen = self.lock();
        seen.get(&node).filter(|seen| seen.at.elapsed() < FRESH).map(|seen| seen.report.clone())
    }

    /// How a node's state differs from this one's; remembered for as long as nothing else is heard.
    pub(crate) fn divergence(&self, node: NodeId) -> Option<Divergence> {
        self.lock().get(&node).and_then(|seen| seen.diverged)
    }

    /// How far the median of the clocks is ahead of this node's, in milliseconds; 0 within tolerance.
    fn clock_correction_ms(&self) -> i64 {
        self.clock_correction_ms.load(Ordering::Relaxed)
    }

    fn correct_clock(&self) -> i64 {
        let seen = self.lock();
        let fresh = seen.values().filter(|seen| seen.at.elapsed() < FRESH).map(|seen| seen.ahead_ms);
        let off = median_of_clocks(fresh.collect());
        let correction = if off.abs() > CLOCK_TOLERANCE_MS { off } else { 0 };
        self.clock_correction_ms.store(correction, Ordering::Relaxed);
        correction
    }
}

/// The median of all clocks as seen from this one, which is 0 and among them. Of two that are the middle,
/// the nearer one: a node does not believe one other more than itself.
fn median_of_clocks(mut ahead: Vec<i64>) -> i64 {
    ahead.push(0);
    ahead.sort_unstable();
    let (low, high) = (ahead[(ahead.len() - 1) / 2], ahead[ahead.len() / 2]);
    if low.abs() <= high.abs() { low } else { high }
}

/// Compares what another node said with what this one's state hashed to at the same entry. None when that
/// cannot be told: it is too long ago here, or still to come.
fn compare(report: &NodeReport, ours: Option<u64>) -> Option<Result<(), Divergence>> {
    let (index, theirs) = (report.applied, report.state_hash);
    ours.map(|ours| if ours == theirs { Ok(()) } else { Err(Divergence { index, ours, theirs }) })
}

/// Asks all others, for as long as the node runs.
pub(crate) async fn gather(node: Arc<Node>, stop: CancellationToken) {
    let mut clock_told = None::<Instant>;
    loop {
        tokio::select! {
            () = node.ask_all() => {}
            () = stop.cancelled() => return,
        }
        let off = node.reports.correct_clock();
        if off != 0 && clock_told.is_none_or(|told| told.elapsed() >= REMIND) {
            clock_told = Some(Instant::now());
            tracing::warn!(
                behind_ms = off,
                "the wall clock of this node is not that of the others; while it leads, theirs is used. \
                 Is time synchronisation running?"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Node {
    /// What this node says about itself.
    pub(crate) fn own_node_report(&self) -> NodeReport {
        let published = self.published();
        NodeReport {
            applied: published.revision().0,
            state_hash: published.hash(),
            disk_free: self.disk.free(),
            disk_low: self.disk.is_low(),
            flush_slow: self.flush_slow.load(Ordering::Relaxed),
            wall: self.clock.wall(),
            rules: RulesVersion::KNOWN,
        }
    }

    /// The time that people are shown: this node's own, unless the others agree on another one. A leader
    /// whose clock is years ahead must not end everybody's keys.
    pub(crate) fn agreed_wall(&self) -> WallTime {
        WallTime(self.clock.wall().0.saturating_add(self.reports.clock_correction_ms()))
    }

    /// Voters that could lead: they answer, have caught up, have room, and a disk that keeps up.
    pub(crate) fn successors(&self) -> impl Iterator<Item = NodeId> {
        self.able_voters().into_iter().filter(|id| {
            *id != self.id
                && self.reports.of(*id).is_some_and(|report| !report.disk_low && !report.flush_slow)
        })
    }

    async fn ask_all(&self) {
        let others: Vec<(NodeId, PeerTarget)> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let nodes = metrics.membership_config.membership().nodes();
            let others = nodes.filter(|(id, _)| **id != self.id.0);
            others.map(|(id, member)| (NodeId(*id), PeerTarget::member(*id, member))).collect()
        };
        self.reports.lock().retain(|id, _| others.iter().any(|(other, _)| other == id));
        join_all(others.iter().map(|(id, target)| self.ask(*id, target))).await;
    }

    async fn ask(&self, id: NodeId, target: &PeerTarget) {
        let asked = Instant::now();
        let answer = self.peers.request(target, ServiceRequest::Report, ONE_QUESTION).await;
        let Ok(ServiceResponse::Report(report)) = answer else { return };
        // It said so half way through.
        let way = i64::try_from(asked.elapsed().as_millis() / 2).unwrap_or(i64::MAX);
        let ahead_ms = report.wall.0.saturating_add(way).saturating_sub(self.clock.wall().0);
        let compared = compare(&report, self.store.hash_at(report.applied));
        let mut reports = self.reports.lock();
        let before = reports.remove(&id);
        let (mut diverged, mut told) = before.map_or((None, None), |seen| (seen.diverged, seen.told));
        match compared {
            Some(Ok(())) => (diverged, told) = (None, None),
            Some(Err(found)) => {
                diverged = Some(found);
                if told.is_none_or(|told| told.elapsed() >= REMIND) {
                    told = Some(Instant::now());
                    tracing::error!(
                        other = %id, index = found.index,
                        ours = %format_args!("{:016x}", found.ours), theirs = %format_args!("{:016x}", found.theirs),
                        "STATE MISMATCH: the same entries made another state on that node. Compare all nodes with \
                         nexus cluster status, keep the data folder of the one that is alone, and start it again \
                         with an empty one"
                    );
                }
            }
            None => {}
        }
        let at = Instant::now();
        reports.insert(id, Seen { report: *report, at, ahead_ms, diverged, told });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(applied: u64, state_hash: u64) -> NodeReport {
        NodeReport {
            applied,
            state_hash,
            disk_free: 0,
            disk_low: false,
            flush_slow: false,
            wall: WallTime::default(),
            rules: RulesVersion::KNOWN,
        }
    }

    #[test]
    fn states_are_compared_only_at_the_same_entry() {
        assert_eq!(compare(&report(9, 1), None), None);
        assert_eq!(compare(&report(9, 1), Some(1)), Some(Ok(())));
        let found = Divergence { index: 9, ours: 2, theirs: 1 };
        assert_eq!(compare(&report(9, 1), Some(2)), Some(Err(found)));
    }

    #[test]
    fn one_clock_that_is_off_is_outvoted() {
        // This one is right, another is a day ahead.
        assert_eq!(median_of_clocks(vec![86_400_000, 3]), 3);
        // This one is a day ahead itself.
        assert_eq!(median_of_clocks(vec![-86_400_000, -86_399_990]), -86_399_990);
        // Nobody can tell who of two is right; alone there is nobody to ask.
        assert_eq!(median_of_clocks(vec![86_400_000]), 0);
        assert_eq!(median_of_clocks(vec![]), 0);
    }
}
