//! The status of this node and of the members that it knows, from local knowledge alone.

use crate::{
    node::Node,
    peer::service::{MemberReport, StatusReport},
    watch::{disk::Disk, reports::Reports, timings::Timings},
};
use nexus_api::cluster::{Condition, Latency, Measurements, MemberStatus, NodeStatus, Role};
use nexus_domain::NodeId;
use nexus_raft_store::{LatencyCounts, LatencyHistogram, StoreHandle};
use openraft::{Instant as _, ServerState};
use std::time::Duration;

/// The status of this node, as the API shows it.
pub(crate) fn status(node: &Node, disk: &Disk, reports: &Reports) -> NodeStatus {
    let metrics = node.metrics();
    let report = reports.status(&metrics);
    let role = match metrics.state {
        _ if metrics.running_state.is_err() => Role::Stopped,
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        ServerState::Shutdown => Role::Stopped,
    };
    NodeStatus {
        id: node.id,
        role,
        leader: metrics.current_leader.map(NodeId),
        term: metrics.current_term,
        committed: metrics.cluster_committed.max(metrics.local_committed).map_or(0, |id| id.index),
        applied: node.published().revision().0,
        last_log: metrics.last_log_index.unwrap_or(0),
        snapshot: metrics.snapshot.map_or(0, |id| id.index),
        members: report.members.into_iter().map(|member| member_status(member, node.id, reports)).collect(),
        disk_bytes: disk.database_bytes(),
        disk_free: disk.free(),
        disk_low: disk.is_low(),
        flush_slow: disk.is_slow(),
        failed_snapshots: node.store.failed_snapshots(),
        elections_won: node.elections_won(),
        removed: node.is_removed(),
        draining: node.is_draining(),
        verdict: reports.verdict(),
        quorum_seen: metrics.last_quorum_acked.map(|acked| acked.elapsed()),
        is_joint: metrics.membership_config.membership().get_joint_config().len() > 1,
        certificates: reports.own_details().certificates,
    }
}

/// The status of a follower with the report of its leader merged in. What nodes tell of themselves and the way to them
/// is as this node knows it.
pub(crate) fn merged(mut own: NodeStatus, report: StatusReport, reports: &Reports) -> NodeStatus {
    own.leader = Some(report.leader);
    own.term = report.term;
    own.members = report.members.into_iter().map(|member| member_status(member, own.id, reports)).collect();
    own
}

/// Collects the measurements of this node. `queues` are those of its requests; the store's are added.
pub(crate) fn measurements(
    timings: &Timings,
    store: &StoreHandle,
    reports: &Reports,
    queues: &[(&'static str, usize)],
) -> Measurements {
    let (flushes, applied) = (store.flush_stats(), store.apply_stats());
    let mut queues: Vec<_> = queues.iter().map(|(name, length)| (*name, *length as u64)).collect();
    queues.push(("log_flush", flushes.queued()));
    Measurements {
        commit: latency(&timings.commit),
        flush: latency(flushes.latency()),
        apply: latency(applied.latency()),
        forward: latency(&timings.forward),
        read_index: latency(&timings.read_index),
        elections_won: timings.elections_won(),
        elections_lost: timings.elections_lost(),
        leases_expired: applied.leases_expired(),
        clock_correction_ms: reports.clock_correction_ms(),
        certificate_reloads: reports.certificate_reloads(),
        scrubs: reports.scrubs().finished(),
        is_damaged: reports.scrubs().damage().is_some(),
        queues,
    }
}

fn latency(histogram: &LatencyHistogram) -> Latency {
    let LatencyCounts { buckets, count, total } = histogram.counts();
    Latency { buckets, count, total }
}

fn member_status(report: MemberReport, own: NodeId, reports: &Reports) -> MemberStatus {
    let (details, round_trip) = if report.id == own {
        (Some(reports.own_details()), None)
    } else {
        reports.details_of(report.id).map_or((None, None), |(details, trip)| (details, Some(trip)))
    };
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
        fenced: reports.fence_of(report.id),
        damage: details.as_ref().and_then(|details| details.damage.clone()),
        draining: reports.is_draining(report.id),
        disk_bytes: details.as_ref().and_then(|details| details.disk_used),
        flush_p99: details.as_ref().and_then(|details| details.flush_p99_us).map(Duration::from_micros),
        place: details.as_ref().map(|details| details.place.clone()),
        version: details.as_ref().map(|details| details.version.clone()),
        build: details.as_ref().and_then(|details| details.build.clone()),
        backups: details.as_ref().and_then(|details| details.backups.clone()),
        timing: details.as_ref().and_then(|details| details.timing),
        certificates: details.map(|details| details.certificates),
        round_trip,
    }
}
