//! The regular duties of a leader: it sends the cluster time, ends leases that are due, forms a new cluster, raises the
//! rules version, and promotes learners that have caught up. A follower logs here when it hears no leader.

use crate::{
    leader::propose::{ProposeOutcome, system_proposal},
    membership::token,
    node::Node,
    peer::{
        PeerTarget,
        service::{ServiceRequest, ServiceResponse},
    },
    raft::clock::TIME_BROADCAST_INTERVAL,
};
use futures::future::join_all;
use nexus_domain::{
    ClusterId, NodeId, RulesVersion, WallTime, command,
    entity::{ClusterOrigin, NodeRecord},
    short_text::Label,
};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How often the duties are looked at. Leases end at most this late.
const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// How often a node checks whether it hears its leader.
const LEADER_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for the answer to whether this node is still a member, or when it last heard its leader.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How often learners and the rules versions of members are checked.
const LEARNER_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Between two log lines about the nodes that keep the cluster on older rules.
const OLD_RULES_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Time without a leader after which it is logged.
const NO_LEADER_LOGGED_AFTER: Duration = Duration::from_secs(10);
/// Between two such log lines.
const NO_LEADER_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// How often the size of the database is measured.
const DATABASE_SIZE_INTERVAL: Duration = Duration::from_secs(10);

/// Runs for as long as the node does. Most duties are those of a leader alone.
pub(crate) async fn run(node: Arc<Node>, stop: CancellationToken) {
    let mut interval = tokio::time::interval(TICK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut led_term = None;
    let mut silence = LeaderSilence::default();
    let (mut learners_checked, mut leader_checked) = (Instant::now(), Instant::now());
    let (mut old_rules_logged, mut time_sent) = (None, Instant::now());
    let mut database_measured = None::<Instant>;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stop.cancelled() => return,
        }
        if database_measured.is_none_or(|at| at.elapsed() >= DATABASE_SIZE_INTERVAL) {
            database_measured = Some(Instant::now());
            if let Ok(usage) = node.store.usage().await {
                node.disk_bytes.store(usage.disk_bytes, Ordering::Relaxed);
            }
        }
        let leader = node.leader_id();
        if leader_checked.elapsed() >= LEADER_CHECK_INTERVAL {
            leader_checked = Instant::now();
            if let Some(span) = silence.note(node.heard_leader_recently().await) {
                node.log_silence(span).await;
            }
        }
        if leader != Some(node.id) {
            led_term = None;
            node.clear_disk_refusal();
            continue;
        }
        let term = node.term();
        if led_term != Some(term) {
            led_term = Some(term);
            node.count_election_won();
            tracing::info!(term, "this node leads");
        }
        node.form_cluster_once().await;
        node.end_due_leases().await;
        if time_sent.elapsed() >= TIME_BROADCAST_INTERVAL {
            time_sent = Instant::now();
            node.broadcast_time();
        }
        node.update_disk_admission().await;
        if learners_checked.elapsed() >= LEARNER_CHECK_INTERVAL {
            learners_checked = Instant::now();
            node.promote_learners().await;
            node.raise_rules_version(&mut old_rules_logged).await;
        }
    }
}

/// How long this node has heard no leader, and when that was last logged.
#[derive(Default)]
struct LeaderSilence {
    since: Option<Instant>,
    logged: Option<Instant>,
}

impl LeaderSilence {
    /// How long the silence has lasted, when it should be logged now.
    fn note(&mut self, has_leader: bool) -> Option<Duration> {
        if has_leader {
            *self = Self::default();
            return None;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_due = since.elapsed() >= NO_LEADER_LOGGED_AFTER
            && self.logged.is_none_or(|at| at.elapsed() >= NO_LEADER_LOG_INTERVAL);
        is_due.then(|| {
            self.logged = Some(Instant::now());
            since.elapsed()
        })
    }
}

impl Node {
    /// Whether this node leads, or has heard its leader lately. The leader of before a restart does not count.
    async fn heard_leader_recently(&self) -> bool {
        let leader = self.leader_id();
        if leader == Some(self.id) {
            return true;
        }
        // When Raft does not answer in time, it waits for its disk, which is logged elsewhere.
        let silent_for = timeout(ANSWER_TIMEOUT, self.time_since_leader()).await;
        leader.is_some() && silent_for.is_ok_and(|age| age < NO_LEADER_LOGGED_AFTER)
    }

    async fn log_silence(&self, span: Duration) {
        let for_s = span.as_secs();
        if self.was_removed().await {
            tracing::error!(
                for_s,
                "this node was removed from the cluster. It can come back as a new one: with an empty data folder, \
                 --join, and a token that nexus cluster join-token makes"
            );
        } else {
            tracing::warn!(
                for_s,
                "this node hears no leader: a quorum of nodes is down or cannot be reached"
            );
        }
    }

    /// Whether another member says that this node is not a member. One that lags may say so of a new node, but that one
    /// hears its leader and does not ask.
    async fn was_removed(&self) -> bool {
        let others = self.other_members();
        let question = ServiceRequest::WhoIs { node: self.id };
        let asking = others.iter().map(|other| self.peers.request(other, question.clone(), ANSWER_TIMEOUT));
        let answers = join_all(asking).await;
        answers.iter().any(|answer| matches!(answer, Ok(ServiceResponse::Member(None))))
    }

    /// Proposes a tick when a lease or another deadline is due, so that it takes effect without any request.
    async fn end_due_leases(&self) {
        let now = self.stamp().cluster;
        let is_due = self.published().state.next_deadline().is_some_and(|at| at <= now);
        if is_due {
            let deadline = Instant::now() + Duration::from_secs(1);
            let _ = self.propose_here(&Arc::new(system_proposal(command::Tick.into())), deadline).await;
        }
    }

    /// Sends the cluster time to all members while a lease is running: each may be the next leader. One that misses it
    /// would start from an older time, which only lengthens leases, so nobody waits for the answers.
    fn broadcast_time(self: &Arc<Self>) {
        if self.published().state.next_deadline().is_none() {
            return;
        }
        let time = ServiceRequest::ClusterTime(self.stamp().cluster);
        let others = self.other_members();
        let node = self.clone();
        tokio::spawn(async move {
            let sending =
                others.iter().map(|other| node.peers.request(other, time.clone(), TIME_BROADCAST_INTERVAL));
            join_all(sending).await;
        });
    }

    /// How to reach all other members.
    fn other_members(&self) -> Vec<PeerTarget> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        let others = nodes.filter(|(id, _)| **id != self.id.0);
        others.map(|(id, member)| PeerTarget::member(*id, member)).collect()
    }

    /// Raises the rules version once every member has reported that it knows a newer one. Logs regularly which nodes do
    /// not.
    async fn raise_rules_version(&self, logged: &mut Option<Instant>) {
        let published = self.published();
        let now = published.state.rules();
        if now >= RulesVersion::KNOWN || published.state.origin().is_none() {
            return;
        }
        // No node joins while the lock is held.
        let Ok(_guard) = self.membership_change.try_lock() else { return };
        let others: Vec<NodeId> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let nodes = metrics.membership_config.membership().nodes();
            nodes.map(|(id, _)| NodeId(*id)).filter(|id| *id != self.id).collect()
        };
        let known = |id: &NodeId| self.reports.of(*id).map(|report| report.rules);
        let Some(to) = RulesVersion::of_all(others.iter().map(known)).filter(|to| *to > now) else {
            if logged.is_none_or(|at| at.elapsed() >= OLD_RULES_LOG_INTERVAL) {
                *logged = Some(Instant::now());
                let nodes: Vec<NodeId> =
                    others.into_iter().filter(|id| known(id).is_none_or(|rules| rules <= now)).collect();
                tracing::warn!(
                    ?nodes,
                    "what came with this version of Nexus waits until these nodes run it too: upgrade them, or remove \
                     those that will not come back"
                );
            }
            return;
        };
        let deadline = Instant::now() + Duration::from_secs(1);
        let raised =
            self.propose_here(&Arc::new(system_proposal(command::RaiseRules { to }.into())), deadline).await;
        if matches!(raised, ProposeOutcome::Applied(_)) {
            tracing::info!(version = %to, "the cluster goes by newer rules");
        }
    }

    /// Proposes the first entry of a new cluster, unless it is applied already.
    async fn form_cluster_once(&self) {
        let published = self.published();
        let committed = self.raft.metrics().borrow_watched().local_committed.map_or(0, |id| id.index);
        if published.state.origin().is_some() || published.revision().0 < committed {
            return;
        }
        let token = match token::read(&self.data_dir).await {
            Some(token) => token,
            None => format!("nexus_boot_{}", hex(&self.mint.secret())),
        };
        if let Err(error) = token::write(&self.data_dir, &token).await {
            tracing::error!(%error, "cannot write the bootstrap token; the cluster is not formed");
            return;
        }
        let origin = ClusterOrigin {
            cluster: ClusterId(self.mint.id()),
            formed_at: self.clock.wall(),
            bootstrap: Some(nexus_api::auth::token_digest(&token)),
        };
        let nodes = self.first_nodes();
        let deadline = Instant::now() + Duration::from_secs(4);
        let command = command::FormCluster { origin: origin.clone(), nodes }.into();
        match self.propose_here(&Arc::new(system_proposal(command)), deadline).await {
            ProposeOutcome::Applied(answer) if answer.outcome.is_ok() => {
                tracing::info!(cluster = %origin.cluster, "the cluster is formed");
            }
            ProposeOutcome::Applied(_) => {}
            ProposeOutcome::NotProposed(why)
            | ProposeOutcome::Refused(why)
            | ProposeOutcome::Unknown(why) => {
                tracing::warn!(why, "the cluster is not formed yet");
            }
        }
    }

    fn first_nodes(&self) -> Vec<NodeRecord> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let label = |text: &str| Label::parse(text).expect("an address is a short text");
        metrics
            .membership_config
            .membership()
            .nodes()
            .map(|(id, member)| NodeRecord {
                id: NodeId(*id),
                instance: member.instance,
                peer_addr: label(&member.peer_addr),
                client_addr: label(&member.client_addr),
                replaces: None,
                admitted_at: WallTime::default(),
            })
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
