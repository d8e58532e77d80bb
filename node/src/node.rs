//! This node as a member of the cluster: its part in Raft and its store. A small value below all that a node does,
//! which stands in the folders beside this file.

use crate::{
    peer::PeerTarget,
    raft::setup::{Metrics, Raft, Timing},
};
use nexus_api_types::cluster_member::ClusterMember;
use nexus_domain::{Command, NodeId, RulesVersion};
use nexus_raft_store::{Member, Published, StoreHandle};
use openraft::{Instant as _, async_runtime::watch::WatchReceiver};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// A member that lacks at most this many entries has caught up.
pub(crate) const MAX_LAG: u64 = ClusterMember::MAX_LAG;

/// Longest wait for Raft to say when it last heard its leader.
const RAFT_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Silence of the leader after which this node counts as hearing none. Longer than an election.
const LEADER_IS_SILENT_AFTER: Duration = Duration::from_secs(1);

/// The answer of a node that the cluster has removed.
pub(crate) const REMOVED: &str = "this node was removed from the cluster; ask another one";

/// A node whose Raft runs. Clones share it.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) raft: Raft,
    pub(crate) store: StoreHandle,
    pub(crate) timing: Timing,
    elections_won: Arc<AtomicU64>,
    /// The last term in which this node led, and when it began to.
    leads_since: Arc<Mutex<Option<(u64, Instant)>>>,
    is_removed: Arc<AtomicBool>,
    draining: Arc<watch::Sender<bool>>,
    duties_run: Arc<AtomicU64>,
}

/// The leader, as far as this node knows.
pub(crate) enum Leader {
    /// This node leads.
    Local,
    /// Another node leads.
    Remote(PeerTarget),
    /// There is no leader, or this node does not know it.
    Unknown,
}

/// A member of the effective membership, and its replication as this node knows it.
pub(crate) struct MemberProgress {
    pub(crate) id: NodeId,
    pub(crate) is_voter: bool,
    pub(crate) member: Member,
    /// Log entries that the member lacks; known to the leader alone.
    pub(crate) lag: Option<u64>,
    /// Time since its last acknowledgement; known to the leader alone.
    pub(crate) last_seen: Option<Duration>,
    /// Whether it is this node, or acknowledged the leader within the last two leases.
    pub(crate) is_alive: bool,
}

impl MemberProgress {
    /// Whether the member answers, and has nearly every entry of the leader.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.is_alive && self.lag.is_some_and(|lag| lag <= MAX_LAG)
    }

    /// Whether the member could lead now.
    pub(crate) fn can_lead(&self) -> bool {
        self.is_voter && self.has_caught_up()
    }
}

impl Node {
    /// A node whose Raft runs on a store.
    pub(crate) fn new(raft: Raft, store: StoreHandle, timing: Timing) -> Self {
        Self {
            id: NodeId(*raft.node_id()),
            raft,
            store,
            timing,
            elections_won: Arc::default(),
            leads_since: Arc::default(),
            is_removed: Arc::default(),
            draining: Arc::new(watch::Sender::new(false)),
            duties_run: Arc::default(),
        }
    }

    /// The newest state that this node has applied.
    pub(crate) fn published(&self) -> Arc<Published> {
        self.store.latest()
    }

    /// The current Raft term.
    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// The leader, and how to reach it.
    pub(crate) fn leader(&self) -> Leader {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            None => Leader::Unknown,
            Some(id) if id == self.id.0 => Leader::Local,
            Some(id) => match metrics.membership_config.membership().get_node(&id) {
                Some(member) => Leader::Remote(PeerTarget::member(id, member)),
                None => Leader::Unknown,
            },
        }
    }

    /// The id of the leader.
    pub(crate) fn leader_id(&self) -> Option<NodeId> {
        self.raft.server_metrics().borrow_watched().current_leader.map(NodeId)
    }

    /// Whether this node leads.
    pub(crate) fn leads(&self) -> bool {
        self.leader_id() == Some(self.id)
    }

    /// Waits until the leader changes: a request to the old one is then better sent again. These metrics change only
    /// with the leader, so that a thousand waiting requests are not woken by every entry.
    pub(crate) async fn leader_changes(&self) {
        let mut metrics = self.raft.server_metrics();
        let before = metrics.borrow_watched().current_leader;
        while metrics.borrow_watched().current_leader == before {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// A member of the effective membership.
    pub(crate) fn member(&self, id: NodeId) -> Option<Member> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().get_node(&id.0).cloned()
    }

    /// The metrics of Raft at this moment.
    pub(crate) fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow_watched().clone()
    }

    /// All members, with their progress. Only a leader knows their lag and when it last heard them.
    pub(crate) fn members(&self) -> Vec<MemberProgress> {
        self.members_in(&self.raft.metrics().borrow_watched())
    }

    /// All members, with their progress in metrics from which the caller reads more.
    pub(crate) fn members_in(&self, metrics: &Metrics) -> Vec<MemberProgress> {
        let last = metrics.last_log_index.unwrap_or(0);
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let progress_of = |(id, member): (&u64, &Member)| {
            let is_self = *id == self.id.0;
            let replicated = metrics.replication.as_ref().and_then(|progress| progress.get(id));
            let last_heard = metrics.heartbeat.as_ref().and_then(|last| last.get(id));
            let last_seen = last_heard.and_then(|at| at.as_ref()).map(|at| at.elapsed());
            MemberProgress {
                id: NodeId(*id),
                is_voter: voters.contains(id),
                member: member.clone(),
                lag: replicated
                    .map(|matched| last.saturating_sub(matched.as_ref().map_or(0, |id| id.index)))
                    .or_else(|| (is_self && metrics.replication.is_some()).then_some(0)),
                last_seen,
                is_alive: is_self || last_seen.is_some_and(|seen| seen <= self.timing.lease() * 2),
            }
        };
        membership.nodes().map(progress_of).collect()
    }

    /// All other members, and how to reach them.
    pub(crate) fn other_members(&self) -> Vec<(NodeId, PeerTarget)> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        let others = nodes.filter(|(id, _)| **id != self.id.0);
        others.map(|(id, member)| (NodeId(*id), PeerTarget::member(*id, member))).collect()
    }

    /// The ids of the voters.
    pub(crate) fn voters(&self) -> BTreeSet<u64> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().collect()
    }

    /// Whether the cluster has a voter beside this node.
    pub(crate) fn has_other_voters(&self) -> bool {
        self.voters().iter().any(|voter| *voter != self.id.0)
    }

    /// Whether a quorum acknowledged this leader a moment ago. A cluster of one is its own quorum.
    pub(crate) fn has_quorum(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader != Some(self.id.0) {
            return false;
        }
        let membership = metrics.membership_config.membership();
        let alone = membership.voter_ids().all(|voter| voter == self.id.0);
        alone || metrics.last_quorum_acked.is_some_and(|acked| acked.elapsed() < self.timing.lease())
    }

    /// Whether a command needs a rules version that not every member knows yet.
    pub(crate) fn is_too_new(&self, command: &Command) -> bool {
        let since = command.facts().since;
        since > RulesVersion::FIRST && since > self.published().state.rules()
    }

    /// When a request that begins now fails with 503, for want of an answer.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timing.request_deadline()
    }

    /// Waits until this node has applied an index. Fails at the deadline.
    pub(crate) async fn applied(&self, index: u64, deadline: Instant) -> Result<Arc<Published>, ()> {
        let mut published = self.store.published();
        let reached = published.wait_for(|published| published.revision().0 >= index);
        match tokio::time::timeout_at(deadline, reached).await {
            Ok(Ok(published)) => Ok(Arc::clone(&published)),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }

    /// Time since this node last heard from its leader; [`Duration::MAX`] when it never did.
    pub(crate) async fn time_since_leader(&self) -> Duration {
        let last_heard = self.raft.with_raft_state(openraft::RaftState::vote_last_modified).await;
        last_heard.ok().flatten().map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Whether this node leads, or has recently received a message of its leader. A leader from before a restart or a
    /// pause does not count.
    pub(crate) async fn hears_leader(&self) -> bool {
        if self.leads() {
            return true;
        }
        let leader = self.leader_id();
        // When Raft does not answer in time, it waits for its disk, which is logged elsewhere.
        let silent_for = timeout(RAFT_ANSWER_TIMEOUT, self.time_since_leader()).await;
        let longest = LEADER_IS_SILENT_AFTER.max(self.timing.lease());
        leader.is_some() && silent_for.is_ok_and(|age| age < longest)
    }

    /// Whether other members say that the cluster has removed this node.
    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Relaxed)
    }

    /// Notes whether the cluster has removed this node.
    pub(crate) fn set_removed(&self, is_removed: bool) {
        self.is_removed.store(is_removed, Ordering::Relaxed);
    }

    /// Whether this node is drained: it serves what is asked, and wants to lead and to be asked no more.
    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Notes whether this node is drained. A restart ends it.
    pub(crate) fn set_draining(&self, is_draining: bool) {
        let changes = |draining: &mut bool| std::mem::replace(draining, is_draining) != is_draining;
        if self.draining.send_if_modified(changes) {
            tracing::info!(is_draining, "this node is drained for a restart, or not any more");
        }
    }

    /// Whether this node is drained, and when that changes.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Counts a run of the duties, ten of which come in a second.
    pub(crate) fn count_duties_run(&self) {
        self.duties_run.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs of the duties since the start. While this stands still, the node does nothing by itself.
    pub(crate) fn duties_run(&self) -> u64 {
        self.duties_run.load(Ordering::Relaxed)
    }

    /// The time for which this node has led in the present term; zero while it does not lead.
    pub(crate) fn led_for(&self) -> Duration {
        let since = *self.leads_since.lock().unwrap_or_else(PoisonError::into_inner);
        let is_present = |term: u64| self.leads() && term == self.term();
        since.filter(|(term, _)| is_present(*term)).map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Counts an election that this node has won, in this term.
    pub(crate) fn count_election_won(&self, term: u64) {
        *self.leads_since.lock().unwrap_or_else(PoisonError::into_inner) = Some((term, Instant::now()));
        self.elections_won.fetch_add(1, Ordering::Relaxed);
    }

    /// Elections that this node has won since its start.
    pub(crate) fn elections_won(&self) -> u64 {
        self.elections_won.load(Ordering::Relaxed)
    }
}
