//! The times that the leader stamps proposals with: cluster time, by which leases end, and the time of day.

use crate::{
    node::Node,
    raft::clock::{Clock, LeaderClock},
    watch::reports::Reports,
};
use nexus_domain::{ClusterTime, Stamp};
use std::sync::Arc;

/// The clock of the cluster, as this node would continue it.
pub(crate) struct ClusterClock {
    node: Node,
    clock: Arc<dyn Clock>,
    leader_clock: LeaderClock,
    reports: Arc<Reports>,
}

impl ClusterClock {
    /// A clock that starts to count now.
    pub(crate) fn new(node: Node, clock: Arc<dyn Clock>, reports: Arc<Reports>) -> Self {
        Self { node, leader_clock: LeaderClock::new(clock.monotonic()), clock, reports }
    }

    /// The times to stamp a proposal with, on the leader.
    pub(crate) fn stamp(&self) -> Stamp {
        let applied = self.node.published().state.clock().cluster;
        let (now, term) = (self.clock.monotonic(), self.node.term());
        let cluster = self.leader_clock.now(now, term, applied, self.node.has_quorum());
        Stamp { cluster, wall: self.reports.wall() }
    }

    /// Records the cluster time that the leader sent. If this node leads later, it continues from there.
    pub(crate) fn observe(&self, time: ClusterTime) {
        self.leader_clock.observe(time);
    }
}
