//! The state that all modules of a running node share. What the node does stands in the modules beside this one.

use crate::{
    clock::{Clock, LeaderClock},
    disk::Disk,
    disk_admission::DiskAdmission,
    peer::{PeerClient, PeerTarget},
    raft::{Raft, Timing},
    report::Reports,
    secret::ClusterSecret,
    slots::Slots,
};
use nexus_api::mint::Mint;
use nexus_domain::{NodeId, Stamp};
use nexus_raft_store::{Member, Published, StoreHandle};
use openraft::{Instant as _, async_runtime::watch::WatchReceiver};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// A write or a read that got no answer in this time fails with 503.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(4);
/// Pause between two attempts while there is no leader.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A running node.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) secret: ClusterSecret,
    pub(crate) raft: Raft,
    pub(crate) store: StoreHandle,
    pub(crate) peers: PeerClient,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leader_clock: LeaderClock,
    pub(crate) mint: Arc<dyn Mint>,
    pub(crate) timing: Timing,
    pub(crate) data_dir: PathBuf,
    pub(crate) elections_won: AtomicU64,
    pub(crate) disk_bytes: AtomicU64,
    pub(crate) disk: Arc<Disk>,
    pub(crate) disk_admission: DiskAdmission,
    pub(crate) reports: Reports,
    pub(crate) slots: Slots,
    pub(crate) flush_slow: AtomicBool,
    /// Held from reading the voters to the end of their change: two changes at once, each safe for the voters that it
    /// read, may together cost the quorum.
    pub(crate) membership_change: tokio::sync::Mutex<()>,
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

impl Node {
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

    /// Whether the cluster has a voter beside this node.
    pub(crate) fn has_other_voters(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().any(|voter| voter != self.id.0)
    }

    /// The times to stamp a proposal with, on the leader.
    pub(crate) fn stamp(&self) -> Stamp {
        let applied = self.published().state.clock().cluster;
        let now = self.clock.monotonic();
        let cluster = self.leader_clock.now(now, self.term(), applied, self.has_quorum());
        Stamp { cluster, wall: self.cluster_wall_time() }
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

    pub(crate) fn count_election_won(&self) {
        self.elections_won.fetch_add(1, Ordering::Relaxed);
    }
}
