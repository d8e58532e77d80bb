//! A running member: what all its parts share. Behaviour stands in the modules beside it.

use crate::{
    admit::Admission,
    clock::{Clock, LeaderClock},
    disk::Disk,
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

/// A write or a read that got no answer in this time is answered with 503.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(4);
/// Between two looks for a leader while there is none.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A running member.
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
    pub(crate) admission: Admission,
    pub(crate) reports: Reports,
    pub(crate) slots: Slots,
    pub(crate) flush_slow: AtomicBool,
    /// Held from looking at the voters to the end of their change: two changes at once, each safe by what it
    /// saw, may together cost the quorum.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

/// Who leads, as this node knows.
pub(crate) enum Leader {
    /// This node.
    Here,
    /// Another one, at that address.
    There(PeerTarget),
    /// Nobody, or nobody known.
    Nowhere,
}

impl Node {
    /// This node's state.
    pub(crate) fn published(&self) -> Arc<Published> {
        self.store.latest()
    }

    /// The Raft term.
    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// Who leads.
    pub(crate) fn leader(&self) -> Leader {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            None => Leader::Nowhere,
            Some(id) if id == self.id.0 => Leader::Here,
            Some(id) => match metrics.membership_config.membership().get_node(&id) {
                Some(member) => Leader::There(PeerTarget::member(id, member)),
                None => Leader::Nowhere,
            },
        }
    }

    /// The id of whoever leads.
    pub(crate) fn leader_id(&self) -> Option<NodeId> {
        self.raft.server_metrics().borrow_watched().current_leader.map(NodeId)
    }

    /// Waits until somebody else leads than the leader of this moment, or nobody: what was asked of
    /// that one is better asked again. Of all metrics, these change only with it: a thousand requests that
    /// wait here are not woken by every entry.
    pub(crate) async fn leader_changes(&self) {
        let mut metrics = self.raft.server_metrics();
        let before = metrics.borrow_watched().current_leader;
        while metrics.borrow_watched().current_leader == before {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// A member of the membership in force.
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

    /// Whether somebody else could lead.
    pub(crate) fn has_other_voters(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().any(|voter| voter != self.id.0)
    }

    /// The times of a proposal, when this node leads.
    pub(crate) fn stamp(&self) -> Stamp {
        let applied = self.published().state.clock().cluster;
        let now = self.clock.monotonic();
        let cluster = self.leader_clock.now(now, self.term(), applied, self.has_quorum());
        Stamp { cluster, wall: self.agreed_wall() }
    }

    /// Waits until this node has applied an index.
    pub(crate) async fn applied(&self, index: u64, deadline: Instant) -> Result<Arc<Published>, ()> {
        let mut published = self.store.published();
        let reached = published.wait_for(|published| published.revision().0 >= index);
        match tokio::time::timeout_at(deadline, reached).await {
            Ok(Ok(published)) => Ok(Arc::clone(&published)),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }

    /// Time since this node last heard from whom it follows, as far as it knows.
    pub(crate) async fn heard_of_leader(&self) -> Duration {
        let heard = self.raft.with_raft_state(openraft::RaftState::vote_last_modified).await;
        heard.ok().flatten().map_or(Duration::MAX, |at| at.elapsed())
    }

    pub(crate) fn count_election_won(&self) {
        self.elections_won.fetch_add(1, Ordering::Relaxed);
    }
}
