//! The metrics of a node, in Prometheus form. Gauges of the cluster are read when metrics are requested.
//!
//! - This file: what the API counts, and gauges of the node's status and of the state.
//! - `measured`: what the node counts by itself. `refusal_reason`: the label of a refusal.

mod measured;
mod refusal_reason;

pub(crate) use measured::Load;

use crate::cluster::{Measurements, MemberStatus, NodeStatus, Role};
use axum::http::Method;
use nexus_api_types::socket::CloseCode;
use nexus_domain::{
    Refusal, State,
    entity::HeartbeatMode,
    usage::{Owner, Resource},
};
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use std::time::{Duration, SystemTime};

/// Buckets of the request histogram, in seconds: from a local read to the deadline of a request.
const BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// The help of the metric that a fenced node shows, too.
pub const FENCED_HELP: &str = "1 for a node that has fenced itself, and serves and votes no more.";

/// All metrics of one node.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    raft: IntGaugeVec,
    peer_lag: IntGaugeVec,
    storage_bytes: IntGauge,
    storage: IntGaugeVec,
    mismatch: IntGaugeVec,
    members: IntGaugeVec,
    fenced: IntGaugeVec,
    claims: IntGauge,
    features: IntGaugeVec,
    sessions: IntGaugeVec,
    leases: IntGaugeVec,
    next_lease: Gauge,
    usage: IntGaugeVec,
    quotas: IntGaugeVec,
    fullest: Gauge,
    sockets: IntGauge,
    events_sent: IntCounter,
    socket_closes: IntCounterVec,
    polls: IntGauge,
    picks_refused: IntCounterVec,
    last_backup: IntGauge,
}

/// The label of a method. Unknown methods share one, since each label would be a new series for ever.
fn label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Increments a gauge until it is dropped.
pub(crate) struct GaugeGuard(IntGauge);

impl GaugeGuard {
    fn begin(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let gauges = |name: &str, help: &str, label: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &[label]).expect("the name is well formed");
            registry.register(Box::new(gauge.clone())).expect("each name is registered once");
            gauge
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("the name is well formed");
            registry.register(Box::new(gauge.clone())).expect("each name is registered once");
            gauge
        };
        let labels = ["method", "route", "status"];
        let requests =
            IntCounterVec::new(Opts::new("nexus_http_requests_total", "HTTP requests answered."), &labels)
                .expect("the name is well formed");
        registry.register(Box::new(requests.clone())).expect("each name is registered once");
        let options =
            HistogramOpts::new("nexus_http_request_duration_seconds", "Time to answer an HTTP request.");
        let duration =
            HistogramVec::new(options.buckets(BUCKETS.to_vec()), &labels).expect("the name is well formed");
        registry.register(Box::new(duration.clone())).expect("each name is registered once");
        let events_sent =
            IntCounter::new("nexus_websocket_events_sent_total", "Events sent over WebSockets.")
                .expect("the name is well formed");
        registry.register(Box::new(events_sent.clone())).expect("each name is registered once");
        let closes = Opts::new(
            "nexus_websocket_closes_total",
            "WebSockets that this node closed, by code; 4029 is a slow consumer.",
        );
        let socket_closes = IntCounterVec::new(closes, &["code"]).expect("the name is well formed");
        registry.register(Box::new(socket_closes.clone())).expect("each name is registered once");
        for code in CloseCode::ALL {
            socket_closes.with_label_values(&[&code.number().to_string()]);
        }
        let refused = Opts::new("nexus_picks_refused_total", "Picks that were refused, by reason.");
        let picks_refused = IntCounterVec::new(refused, &["reason"]).expect("the name is well formed");
        registry.register(Box::new(picks_refused.clone())).expect("each name is registered once");
        for reason in refusal_reason::OF_DAILY_WORK {
            picks_refused.with_label_values(&[reason]);
        }
        let next_lease = Gauge::new(
            "nexus_lease_next_end_seconds",
            "Cluster time until the first lease ends, as of the last applied entry; 0 without a lease.",
        )
        .expect("the name is well formed");
        registry.register(Box::new(next_lease.clone())).expect("each name is registered once");
        let fullest = Gauge::new(
            "nexus_quota_fullest_ratio",
            "Share in use of the fullest quota of all projects, engineers and the cluster; 1 is full.",
        )
        .expect("the name is well formed");
        registry.register(Box::new(fullest.clone())).expect("each name is registered once");
        Self {
            usage: gauges(
                "nexus_usage_bytes",
                "Estimated bytes that the cluster's records take on each node, by resource: memory, texts.",
                "resource",
            ),
            quotas: gauges(
                "nexus_quota_bytes",
                "What they may take in the whole cluster, by resource.",
                "resource",
            ),
            fullest,
            events_sent,
            socket_closes,
            picks_refused,
            last_backup: gauge(
                "nexus_backup_last_success_timestamp_seconds",
                "Unix time of the last whole backup that this node gave or found in the store of its schedule; 0 without one.",
            ),
            sockets: gauge("nexus_websocket_connections", "Open WebSockets."),
            polls: gauge("nexus_long_poll_waiters", "Requests that wait for events."),
            requests,
            duration,
            in_flight: gauge("nexus_http_requests_in_flight", "HTTP requests being answered."),
            raft: gauges(
                "nexus_raft",
                "Raft on this node: term, commit, applied, last_log, snapshot, role (0 learner, 1 follower, \
                 2 candidate, 3 leader, -1 stopped), is_leader, elections_won, is_draining.",
                "value",
            ),
            peer_lag: gauges(
                "nexus_raft_peer_lag_entries",
                "Entries that a peer lacks; known to the leader.",
                "node",
            ),
            storage_bytes: gauge("nexus_storage_disk_bytes", "Size of the database on disk."),
            storage: gauges(
                "nexus_storage",
                "Storage of this node: free_bytes, is_low, is_slow, failed_snapshots.",
                "value",
            ),
            mismatch: gauges(
                "nexus_state_mismatch",
                "1 for a node whose state was found to differ from this one's at the same log index.",
                "node",
            ),
            members: gauges(
                "nexus_members",
                "Members of the cluster by role: voter, learner (a voter once it has caught up), replica.",
                "role",
            ),
            fenced: gauges("nexus_fenced", FENCED_HELP, "node"),
            claims: gauge("nexus_claims", "Paths that are held."),
            features: gauges("nexus_features", "Features by status.", "status"),
            sessions: gauges("nexus_sessions", "Sessions by status.", "status"),
            leases: gauges(
                "nexus_leases",
                "Leases of sessions: attended (beats), unattended, grace (silent, still holding).",
                "kind",
            ),
            next_lease,
            registry,
        }
    }
}

impl Metrics {
    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn request_begins(&self) -> GaugeGuard {
        GaugeGuard::begin(&self.in_flight)
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let status = status.to_string();
        let labels = [label(method), route, status.as_str()];
        self.requests.with_label_values(&labels).inc();
        self.duration.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// Counts a WebSocket as open until the guard is dropped.
    pub(crate) fn socket_opened(&self) -> GaugeGuard {
        GaugeGuard::begin(&self.sockets)
    }

    /// Counts a WebSocket that this node closes.
    pub(crate) fn socket_closed(&self, code: CloseCode) {
        self.socket_closes.with_label_values(&[&code.number().to_string()]).inc();
    }

    /// Counts events that were sent.
    pub(crate) fn events_sent(&self, count: usize) {
        self.events_sent.inc_by(count as u64);
    }

    /// Counts a request that waits for events until the guard is dropped.
    pub(crate) fn poll_waits(&self) -> GaugeGuard {
        GaugeGuard::begin(&self.polls)
    }

    /// Counts a pick that was refused.
    pub(crate) fn pick_refused(&self, refusal: &Refusal) {
        self.picks_refused.with_label_values(&[refusal_reason::reason(refusal)]).inc();
    }

    /// Notes the time of a whole backup.
    pub(crate) fn backed_up(&self, at: SystemTime) {
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_backup.set(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX));
    }

    /// All metrics in Prometheus text form.
    pub(crate) fn text(
        &self,
        node: &NodeStatus,
        measured: &Measurements,
        load: &Load,
        state: &State,
    ) -> String {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let raft = |name: &str, value: u64| self.raft.with_label_values(&[name]).set(signed(value));
        raft("term", node.term);
        raft("commit", node.committed);
        raft("applied", node.applied);
        raft("last_log", node.last_log);
        raft("snapshot", node.snapshot);
        self.raft.with_label_values(&["role"]).set(role(node.role));
        raft("is_leader", u64::from(node.role == Role::Leader));
        raft("elections_won", node.elections_won);
        raft("is_draining", u64::from(node.draining));
        self.peer_lag.reset();
        for member in &node.members {
            if let Some(lag) = member.lag {
                self.peer_lag.with_label_values(&[&member.id.to_string()]).set(signed(lag));
            }
        }
        self.mismatch.reset();
        for member in &node.members {
            self.mismatch.with_label_values(&[&member.id.to_string()]).set(i64::from(member.diverged));
        }
        for role in ["voter", "learner", "replica"] {
            let is_so = |member: &&MemberStatus| role == member_role(member, state);
            let count = node.members.iter().filter(is_so).count();
            self.members.with_label_values(&[role]).set(signed(count as u64));
        }
        self.fenced.reset();
        for member in &node.members {
            self.fenced.with_label_values(&[&member.id.to_string()]).set(i64::from(member.fenced.is_some()));
        }
        let storage = |name: &str, value: u64| self.storage.with_label_values(&[name]).set(signed(value));
        storage("free_bytes", node.disk_free);
        storage("is_low", u64::from(node.disk_low));
        storage("is_slow", u64::from(node.flush_slow));
        storage("failed_snapshots", node.failed_snapshots);
        self.storage_bytes.set(signed(node.disk_bytes));
        self.claims.set(signed(state.claim_count() as u64));
        for status in ["draft", "ready", "active", "done", "cancelled"] {
            let count = state.features().filter(|feature| feature.status.name() == status).count();
            self.features.with_label_values(&[status]).set(signed(count as u64));
        }
        let active = state.sessions().filter(|session| session.is_active()).count();
        let all = state.sessions().count();
        self.sessions.with_label_values(&["active"]).set(signed(active as u64));
        self.sessions.with_label_values(&["disconnected"]).set(signed((all - active) as u64));

        for resource in [Resource::Memory, Resource::Texts] {
            let used = resource.of(state.usage(Owner::Cluster));
            self.usage.with_label_values(&[resource.name()]).set(signed(used));
            let quota = Owner::Cluster.quota(&state.settings().quotas, resource).unwrap_or(u64::MAX);
            self.quotas.with_label_values(&[resource.name()]).set(signed(quota));
        }
        self.fullest.set(crate::usage::fullest(state));
        self.count_leases(state);

        if let Some(at) = measured::scheduled(node).and_then(|backups| backups.last_at) {
            self.last_backup.set(self.last_backup.get().max(at.as_millis() / 1_000));
        }

        let mut families = self.registry.gather();
        families.extend(measured::families(node, measured, load));
        let mut text = Vec::new();
        // Encoding into memory fails only for a malformed family, and none is.
        let _ = TextEncoder::new().encode(&families, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn count_leases(&self, state: &State) {
        let (mut attended, mut unattended, mut grace) = (0, 0, 0);
        let mut next: Option<u64> = None;
        for session in state.sessions() {
            *match (session.is_active(), session.heartbeat_mode) {
                (false, _) => &mut grace,
                (true, HeartbeatMode::Attended) => &mut attended,
                (true, HeartbeatMode::Unattended) => &mut unattended,
            } += 1;
            let left = session.lease.until().since(state.clock().cluster).0;
            next = Some(next.map_or(left, |next| next.min(left)));
        }
        for (kind, count) in [("attended", attended), ("unattended", unattended), ("grace", grace)] {
            self.leases.with_label_values(&[kind]).set(count);
        }
        self.next_lease.set(Duration::from_millis(next.unwrap_or_default()).as_secs_f64());
    }
}

/// The role of a member among those that are counted.
fn member_role(member: &MemberStatus, state: &State) -> &'static str {
    match (member.voter, state.is_replica(member.id)) {
        (true, _) => "voter",
        (false, true) => "replica",
        (false, false) => "learner",
    }
}

/// A role as a number, for graphs.
const fn role(role: Role) -> i64 {
    match role {
        Role::Stopped => -1,
        Role::Learner => 0,
        Role::Follower => 1,
        Role::Candidate => 2,
        Role::Leader => 3,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_that_clients_make_up_are_one_row() {
        assert_eq!(label(&Method::PATCH), "PATCH");
        for word in ["FROB", "get", "PROPFIND"] {
            assert_eq!(label(&Method::from_bytes(word.as_bytes()).unwrap()), "other");
        }
    }
}
