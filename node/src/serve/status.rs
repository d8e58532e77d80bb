//! The status of this node and of the members that it knows, from local knowledge alone.

use crate::{
    node::Node,
    peer::service::{MemberReport, StatusReport},
};
use nexus_api::cluster::{Condition, MemberStatus, NodeStatus, Role};
use nexus_domain::NodeId;
use openraft::{Instant as _, ServerState, async_runtime::watch::WatchReceiver};
use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

impl Node {
    /// The status of this node, as the API shows it.
    pub(crate) fn status(&self) -> NodeStatus {
        let report = self.own_report();
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let role = match metrics.state {
            _ if metrics.running_state.is_err() => Role::Stopped,
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopped,
        };
        NodeStatus {
            id: self.id,
            role,
            leader: metrics.current_leader.map(NodeId),
            term: metrics.current_term,
            committed: metrics.cluster_committed.max(metrics.local_committed).map_or(0, |id| id.index),
            applied: self.published().revision().0,
            last_log: metrics.last_log_index.unwrap_or(0),
            snapshot: metrics.snapshot.map_or(0, |id| id.index),
            members: report.members.into_iter().map(member_status).collect(),
            disk_bytes: self.disk_bytes.load(Ordering::Relaxed),
            disk_free: self.disk.free(),
            disk_low: self.disk.is_low(),
            flush_slow: self.flush_slow.load(Ordering::Relaxed),
            failed_snapshots: self.store.failed_snapshots(),
            elections_won: self.elections_won.load(Ordering::Relaxed),
            quorum_seen: metrics.last_quorum_acked.map(|acked| acked.elapsed()),
        }
    }

    /// What this node knows of all members, as it is sent to peers. Only a leader knows their lag and when it last
    /// heard them.
    pub(crate) fn own_report(&self) -> StatusReport {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let last = metrics.last_log_index.unwrap_or(0);
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let members = membership
            .nodes()
            .map(|(id, member)| {
                let is_self = *id == self.id.0;
                let replicated = metrics.replication.as_ref().and_then(|progress| progress.get(id));
                let last_heard = metrics.heartbeat.as_ref().and_then(|last| last.get(id));
                MemberReport {
                    id: NodeId(*id),
                    voter: voters.contains(id),
                    member: member.clone(),
                    lag: replicated
                        .map(|matched| last.saturating_sub(matched.as_ref().map_or(0, |id| id.index)))
                        .or_else(|| (is_self && metrics.replication.is_some()).then_some(0)),
                    last_seen_ms: last_heard
                        .and_then(|at| at.as_ref())
                        .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
                    report: if is_self { Some(self.own_node_report()) } else { self.reports.of(NodeId(*id)) },
                    diverged: self.reports.divergence(NodeId(*id)).is_some(),
                }
            })
            .collect();
        StatusReport {
            leader: metrics.current_leader.map_or(NodeId(0), NodeId),
            term: metrics.current_term,
            members,
        }
    }
}

/// The status of a follower with the report of its leader merged in.
pub(crate) fn merged(mut own: NodeStatus, report: StatusReport) -> NodeStatus {
    own.leader = Some(report.leader);
    own.term = report.term;
    own.members = report.members.into_iter().map(member_status).collect();
    own
}

fn member_status(report: MemberReport) -> MemberStatus {
    MemberStatus {
        id: report.id,
        voter: report.voter,
        peer_addr: report.member.peer_addr,
        client_addr: report.member.client_addr,
        lag: report.lag,
        last_seen: report.last_seen_ms.map(Duration::from_millis),
        condition: report.report.map(|report| Condition {
            applied: report.applied,
            state_hash: report.state_hash,
            disk_free: report.disk_free,
            disk_low: report.disk_low,
            flush_slow: report.flush_slow,
        }),
        diverged: report.diverged,
    }
}
