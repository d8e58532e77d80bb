//! Fetches a report from every other node every two seconds: its applied index and state hash, its disk, its wall
//! clock. The reports find out when two states differ, and who is fenced; they give the candidates for leadership, and
//! the median of the clocks. They are never part of what the cluster decides.

use crate::{
    node::{MemberProgress, Node},
    peer::{
        PeerClient, PeerTarget,
        details::NodeDetails,
        service::{MemberReport, NodeReport, ServiceRequest, ServiceResponse, StatusReport},
    },
    raft::{clock::Clock, setup::Metrics},
    tls::Certificates,
    watch::{
        announcements::Announcements, backups::BackupWatch, build::build, disk::Disk,
        round_trips::RoundTrips, scrubs::ScrubResults, verdict::Verdict,
    },
};
use futures::future::join_all;
use nexus_api_types::cluster::{Health, NodeFence, NodePlace};
use nexus_domain::{NodeId, RulesVersion, WallTime};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// The time between two rounds of requests.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest wait for one report. The next round asks again.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest wait until this node has applied what another one has: under load it lags by some entries, and a report
/// comes only every two seconds.
const COMPARISON_WAIT: Duration = Duration::from_secs(1);
/// A report that is older does not count.
const MAX_AGE: Duration = Duration::from_secs(5);
/// A clock that is off by less than this is not corrected: requests take time, too.
const CLOCK_TOLERANCE_MS: i64 = 2_000;
/// The time between two log lines about the same problem.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Two nodes have different states after the same entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divergence {
    /// The log index after which the states were compared.
    pub(crate) index: u64,
    /// The state hash of this node.
    pub(crate) ours: u64,
    /// The state hash of the other node.
    pub(crate) theirs: u64,
}

/// Exchanges reports with the other nodes, and keeps the last one of each.
pub(crate) struct Reports {
    node: Node,
    peers: PeerClient,
    clock: Arc<dyn Clock>,
    disk: Arc<Disk>,
    certificates: Arc<Certificates>,
    says: SelfDescription,
    verdict: Verdict,
    received: Mutex<BTreeMap<NodeId, ReceivedReport>>,
    announced: Announcements,
    /// The last difference that was found.
    differences: watch::Sender<Option<Divergence>>,
    /// The last result of [`Reports::correct_clock`], which every request reads.
    clock_correction_ms: AtomicI64,
}

/// The part of a node's report about itself that is not measured.
pub(crate) struct SelfDescription {
    pub(crate) place: NodePlace,
    /// The rules up to which the operator lets the cluster go, for the sake of a downgrade.
    pub(crate) rules_up_to: Option<RulesVersion>,
    pub(crate) scrubs: Arc<ScrubResults>,
    pub(crate) backups: Arc<BackupWatch>,
}

struct ReceivedReport {
    report: NodeReport,
    /// The details; none from a node whose version does not send them.
    details: Option<NodeDetails>,
    at: Instant,
    /// The times that the last reports took, there and back.
    round_trips: RoundTrips,
    /// How far its clock is ahead of this node's, in milliseconds.
    ahead_ms: i64,
    diverged: Option<Divergence>,
    /// When the divergence was last logged.
    logged: Option<Instant>,
}

impl Reports {
    /// Reports of which none has arrived yet.
    pub(crate) fn new(
        node: Node,
        peers: PeerClient,
        clock: Arc<dyn Clock>,
        disk: Arc<Disk>,
        certificates: Arc<Certificates>,
        says: SelfDescription,
    ) -> Self {
        Self {
            node,
            peers,
            clock,
            disk,
            certificates,
            says,
            verdict: Verdict::default(),
            received: Mutex::default(),
            announced: Announcements::default(),
            differences: watch::Sender::new(None),
            clock_correction_ms: AtomicI64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, ReceivedReport>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A receiver of the differences that are found.
    pub(crate) fn differences(&self) -> watch::Receiver<Option<Divergence>> {
        self.differences.subscribe()
    }

    /// Why a node has fenced itself, as it said last; none for a node that has not.
    pub(crate) fn fence_of(&self, node: NodeId) -> Option<NodeFence> {
        self.announced.fence_of(node)
    }

    /// The report of a node, unless it is too old.
    pub(crate) fn of(&self, node: NodeId) -> Option<NodeReport> {
        let received = self.lock();
        received.get(&node).filter(|last| last.at.elapsed() < MAX_AGE).map(|last| last.report.clone())
    }

    /// The details that a node added to its last report, and the shortest time to it and back of late; none when that
    /// is too old.
    pub(crate) fn details_of(&self, node: NodeId) -> Option<(Option<NodeDetails>, Duration)> {
        let received = self.lock();
        let last = received.get(&node).filter(|last| last.at.elapsed() < MAX_AGE)?;
        Some((last.details.clone(), last.round_trips.shortest()))
    }

    /// How the state of a node differs from this one's. Kept until a later comparison finds no difference.
    pub(crate) fn divergence(&self, node: NodeId) -> Option<Divergence> {
        self.lock().get(&node).and_then(|last| last.diverged)
    }

    /// The damage that a node has found in itself, for which the cluster cannot do without it.
    fn damage_of(&self, node: NodeId) -> Option<String> {
        if node == self.node.id {
            return self.says.scrubs.damage();
        }
        self.lock().get(&node).and_then(|last| last.details.as_ref()?.damage.clone())
    }

    /// Whether a node is known to take requests that belong to a trace: older versions do not.
    pub(crate) fn knows_traces(&self, node: NodeId) -> bool {
        let received = self.lock();
        let details = received.get(&node).and_then(|last| last.details.as_ref());
        details.is_some_and(|details| details.knows_traces)
    }

    fn correct_clock(&self) -> i64 {
        let received = self.lock();
        let ahead = received.values().filter(|last| last.at.elapsed() < MAX_AGE).map(|last| last.ahead_ms);
        let off = median_of_clocks(ahead.collect());
        let correction = if off.abs() > CLOCK_TOLERANCE_MS { off } else { 0 };
        self.clock_correction_ms.store(correction, Ordering::Relaxed);
        correction
    }

    /// Fetches the reports of all other nodes, for as long as the node runs.
    pub(crate) async fn collect(self: Arc<Self>, stop: CancellationToken) {
        let mut clock_logged = None::<Instant>;
        loop {
            tokio::select! {
                () = self.ask_all() => {}
                () = stop.cancelled() => return,
            }
            self.verdict.note(self.health().await, self.wall());
            let off = self.correct_clock();
            if off != 0 && clock_logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                clock_logged = Some(Instant::now());
                tracing::warn!(
                    behind_ms = off,
                    "the wall clock of this node differs from the others; while this node leads, theirs is used. \
                     Is time synchronisation running?"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// How the cluster looks to this node, and since when.
    pub(crate) fn verdict(&self) -> Option<(Health, WallTime)> {
        self.verdict.last()
    }

    /// How the cluster looks to this node now.
    async fn health(&self) -> Health {
        if self.node.is_removed() {
            return Health::Removed;
        }
        if !self.node.hears_leader().await {
            return Health::NoLeader;
        }
        let members = self.node.members();
        if members.iter().any(|member| self.fence_of(member.id).is_some()) {
            return Health::Fenced;
        }
        if members.iter().any(|member| self.damage_of(member.id).is_some()) {
            return Health::Damaged;
        }
        if members.iter().any(|member| self.divergence(member.id).is_some()) {
            return Health::StateMismatch;
        }
        let is_silent = |member: &MemberProgress| {
            member.is_voter && member.id != self.node.id && self.of(member.id).is_none()
        };
        if members.iter().any(is_silent) { Health::Degraded } else { Health::Healthy }
    }

    /// The report of this node.
    pub(crate) fn own(&self) -> NodeReport {
        let published = self.node.published();
        NodeReport {
            applied: published.revision().0,
            state_hash: published.hash(),
            disk_free: self.disk.free(),
            disk_low: self.disk.is_low(),
            flush_slow: self.disk.is_slow(),
            wall: self.clock.wall(),
            rules: self.rules(),
        }
    }

    /// The newest rules that this node lets the cluster go by.
    pub(crate) fn rules(&self) -> RulesVersion {
        self.says.rules_up_to.map_or(RulesVersion::KNOWN, |held| held.min(RulesVersion::KNOWN))
    }

    /// How far the clocks of the cluster are ahead of this node's own, in milliseconds; 0 while they agree.
    pub(crate) fn clock_correction_ms(&self) -> i64 {
        self.clock_correction_ms.load(Ordering::Relaxed)
    }

    /// How often this node took changed certificates into use, and how often it could not use them.
    pub(crate) fn certificate_reloads(&self) -> (u64, u64) {
        self.certificates.reloads()
    }

    /// The results of the scrubs of this node.
    pub(crate) fn scrubs(&self) -> &ScrubResults {
        &self.says.scrubs
    }

    /// The details that this node adds to its report.
    pub(crate) fn own_details(&self) -> NodeDetails {
        let flushes = self.node.store.flush_stats().latency().counts();
        NodeDetails {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            knows_traces: true,
            certificates: self.certificates.current().shown().clone(),
            place: self.says.place.clone(),
            draining: self.node.is_draining(),
            disk_used: Some(self.disk.database_bytes()),
            flush_p99_us: flushes.p99().map(|bound| u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)),
            backups: self.says.backups.shown(),
            timing: Some(self.node.timing.shown()),
            build: Some(build(self.says.rules_up_to)),
            fenced: None,
            damage: self.says.scrubs.damage(),
        }
    }

    /// The time of day that the cluster uses: this node's own, unless the median of the clocks differs. Otherwise a
    /// leader whose clock is years ahead would expire everybody's keys.
    pub(crate) fn wall(&self) -> WallTime {
        WallTime(self.clock.wall().0.saturating_add(self.clock_correction_ms()))
    }

    /// The priority of a node as a leader, its own or the last one that was heard; the usual one when none was.
    pub(crate) fn priority_of(&self, node: NodeId) -> u8 {
        if node == self.node.id {
            return self.says.place.priority;
        }
        let received = self.lock();
        let details = received.get(&node).and_then(|last| last.details.as_ref());
        details.map_or(NodePlace::PRIORITY, |details| details.place.priority)
    }

    /// Whether a node is drained: this one, or one that the leader or the node itself said so of.
    pub(crate) fn is_draining(&self, node: NodeId) -> bool {
        if node == self.node.id {
            return self.node.is_draining();
        }
        self.announced.is_draining(node)
    }

    /// Notes that a node is drained, or not any more. For this one, that makes it so.
    pub(crate) fn set_draining(&self, node: NodeId, is_draining: bool) {
        if node == self.node.id {
            self.node.set_draining(is_draining);
        } else {
            self.announced.set_draining(node, is_draining, Instant::now());
        }
    }

    /// Voters that could take leadership over, the best one first: they answer, have caught up, are not drained, have
    /// space, and their disk is fast enough. Of these, the highest priority goes first.
    pub(crate) fn successors(&self) -> impl Iterator<Item = NodeId> {
        let mut able = self.node.members();
        able.retain(|member| {
            let (id, is_other) = (member.id, member.id != self.node.id);
            is_other && member.can_lead() && self.has_good_disk(id) && !self.is_draining(id)
        });
        able.sort_unstable_by_key(|member| (Reverse(self.priority_of(member.id)), member.lag, member.id));
        able.into_iter().map(|member| member.id)
    }

    /// Whether a node has reported space and quick flushes.
    pub(crate) fn has_good_disk(&self, node: NodeId) -> bool {
        self.of(node).is_some_and(|report| !report.disk_low && !report.flush_slow)
    }

    /// The status of all members for peers, in these metrics, so that leader, term and lags are of one moment. Only a
    /// leader knows the lags and when it last heard the members.
    pub(crate) fn status(&self, metrics: &Metrics) -> StatusReport {
        let report = |progress: MemberProgress| {
            let id = progress.id;
            MemberReport {
                id,
                voter: progress.is_voter,
                member: progress.member,
                lag: progress.lag,
                last_seen_ms: progress
                    .last_seen
                    .map(|seen| u64::try_from(seen.as_millis()).unwrap_or(u64::MAX)),
                report: if id == self.node.id { Some(self.own()) } else { self.of(id) },
                diverged: self.divergence(id).is_some(),
            }
        };
        StatusReport {
            leader: NodeId(metrics.current_leader.unwrap_or(0)),
            term: metrics.current_term,
            members: self.node.members_in(metrics).into_iter().map(report).collect(),
        }
    }

    async fn ask_all(&self) {
        let others = self.node.other_members();
        self.lock().retain(|id, _| others.iter().any(|(other, _)| other == id));
        self.announced.forget_all_but(|id| others.iter().any(|(other, _)| *other == id));
        join_all(others.iter().map(|(id, target)| self.ask(*id, target))).await;
    }

    async fn ask(&self, id: NodeId, target: &PeerTarget) {
        let sent = Instant::now();
        let report = match self.peers.request(target, ServiceRequest::Report, REPORT_TIMEOUT).await {
            Ok(ServiceResponse::Report(report)) => Some(*report),
            // A fenced node reports no more, and says in its details why.
            Ok(_) => None,
            Err(_) => return,
        };
        let round_trip = sent.elapsed();
        // The node read its clock about half a round trip ago.
        let half_trip = i64::try_from(round_trip.as_millis() / 2).unwrap_or(i64::MAX);
        let now = self.clock.wall().0;
        let asked = Instant::now();
        let details = match self.peers.request(target, ServiceRequest::Details, REPORT_TIMEOUT).await {
            Ok(ServiceResponse::Details(text)) => NodeDetails::read(&text),
            _ => None,
        };
        if let Some(details) = &details {
            self.announced.set_draining(id, details.draining, asked);
        }
        let Some(report) = report else {
            if let Some(fence) = details.and_then(|details| details.fenced) {
                self.announced.note_fence(id, fence);
            }
            return;
        };
        self.announced.end_fence(id);
        let ahead_ms = report.wall.0.saturating_add(half_trip).saturating_sub(now);
        {
            let mut reports = self.lock();
            let before = reports.remove(&id);
            let (diverged, logged, mut round_trips) =
                before.map_or_else(Default::default, |last| (last.diverged, last.logged, last.round_trips));
            round_trips.add(round_trip);
            let (report, at) = (report.clone(), Instant::now());
            reports
                .insert(id, ReceivedReport { report, details, at, round_trips, ahead_ms, diverged, logged });
        }
        let _ = self.node.applied(report.applied, Instant::now() + COMPARISON_WAIT).await;
        if let Some(compared) = compare(&report, self.node.store.hash_at(report.applied)) {
            self.note_comparison(id, compared);
        }
    }

    fn note_comparison(&self, id: NodeId, compared: Result<(), Divergence>) {
        let mut reports = self.lock();
        let Some(last) = reports.get_mut(&id) else { return };
        last.diverged = compared.err();
        let Some(found) = last.diverged else {
            last.logged = None;
            return;
        };
        if last.logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            last.logged = Some(Instant::now());
            tracing::error!(
                other = %id, index = found.index,
                ours = %format_args!("{:016x}", found.ours), theirs = %format_args!("{:016x}", found.theirs),
                "STATE MISMATCH: the same entries made a different state on that node. The one that differs from a \
                 majority fences itself; where there is no majority, compare all nodes with nexus cluster status, and \
                 rebuild the wrong one with nexus cluster rebuild NODE --force"
            );
        }
        drop(reports);
        self.differences.send_replace(Some(found));
    }
}

/// The median of all clocks relative to this node's own one, which counts as 0, in milliseconds. Of two middle ones,
/// the one nearer to 0: a node does not trust a single other clock more than its own.
fn median_of_clocks(mut ahead: Vec<i64>) -> i64 {
    ahead.push(0);
    ahead.sort_unstable();
    let (low, high) = (ahead[(ahead.len() - 1) / 2], ahead[ahead.len() / 2]);
    if low.abs() <= high.abs() { low } else { high }
}

/// Compares the state hash of a report with this node's own hash at the same index; `None` when this node does not know
/// its hash there: the index is too long ago, or not applied yet.
fn compare(report: &NodeReport, ours: Option<u64>) -> Option<Result<(), Divergence>> {
    let (index, theirs) = (report.applied, report.state_hash);
    ours.map(|ours| if ours == theirs { Ok(()) } else { Err(Divergence { index, ours, theirs }) })
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
        // Of two clocks, neither can be shown to be right, and a single one has none to compare with.
        assert_eq!(median_of_clocks(vec![86_400_000]), 0);
        assert_eq!(median_of_clocks(vec![]), 0);
    }
}
