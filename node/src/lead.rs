//! What a node does because it leads: keeps the cluster's time, ends what is due, forms a new
//! cluster, and makes voters of learners that have caught up.

use crate::{
    clock::TELL_TIME,
    node::Node,
    peer::{
        PeerTarget,
        service::{ServiceRequest, ServiceResponse},
    },
    propose::{Tried, of_the_cluster},
    token,
};
use futures::future::join_all;
use nexus_domain::{
    ClusterId, Command, NodeId, RulesVersion, WallTime,
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

/// Cluster time is looked at this often: leases end at most this late.
const BEAT: Duration = Duration::from_millis(100);
/// A follower asks itself this often whether it hears its leader.
const LOOK_AT_LEADER: Duration = Duration::from_secs(1);
/// One question whether this node is a member still, or whom it hears, takes no longer.
const ONE_QUESTION: Duration = Duration::from_secs(1);
/// Learners are looked at this often.
const LOOK_AT_LEARNERS: Duration = Duration::from_millis(500);
/// Between two lines of the log about whom newer rules wait for.
const TELL_WHO_IS_WAITED_FOR: Duration = Duration::from_secs(60);
/// Silence of all leaders that is worth a line in the log, and the time until the next such line.
const SILENCE: Duration = Duration::from_secs(10);
const REMIND: Duration = Duration::from_secs(60);
/// The size of the database is looked at this often.
const LOOK_AT_DISK: Duration = Duration::from_secs(10);

/// Runs for as long as the node does; only leaders do something.
pub(crate) async fn run(node: Arc<Node>, stop: CancellationToken) {
    let mut interval = tokio::time::interval(BEAT);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut led_term = None;
    let mut silence = Silence::default();
    let (mut learners_seen, mut heard_seen) = (Instant::now(), Instant::now());
    let (mut waiting_told, mut time_told) = (None, Instant::now());
    let mut disk_seen = None::<Instant>;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stop.cancelled() => return,
        }
        if disk_seen.is_none_or(|seen| seen.elapsed() >= LOOK_AT_DISK) {
            disk_seen = Some(Instant::now());
            if let Ok(usage) = node.store.usage().await {
                node.disk_bytes.store(usage.disk_bytes, Ordering::Relaxed);
            }
        }
        let leader = node.leader_id();
        if heard_seen.elapsed() >= LOOK_AT_LEADER {
            heard_seen = Instant::now();
            if let Some(span) = silence.note(node.hears_a_leader().await) {
                node.tell_silence(span).await;
            }
        }
        if leader != Some(node.id) {
            led_term = None;
            node.admit_all();
            continue;
        }
        let term = node.term();
        if led_term != Some(term) {
            led_term = Some(term);
            node.count_election_won();
            tracing::info!(term, "this node leads");
        }
        node.form_cluster_once().await;
        node.keep_time().await;
        if time_told.elapsed() >= TELL_TIME {
            time_told = Instant::now();
            node.tell_time();
        }
        node.mind_the_disk().await;
        if learners_seen.elapsed() >= LOOK_AT_LEARNERS {
            learners_seen = Instant::now();
            node.promote_learners().await;
            node.raise_rules(&mut waiting_told).await;
        }
    }
}

/// Tells the operator of a node that hears no leader, now and then.
#[derive(Default)]
struct Silence {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Silence {
    /// How long it has been, when that is worth a line.
    fn note(&mut self, has_leader: bool) -> Option<Duration> {
        if has_leader {
            *self = Self::default();
            return None;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_due = since.elapsed() >= SILENCE && self.told.is_none_or(|told| told.elapsed() >= REMIND);
        is_due.then(|| {
            self.told = Some(Instant::now());
            since.elapsed()
        })
    }
}

impl Node {
    /// Whether it leads, or heard a leader a moment ago. Who led before a restart is not heard of.
    async fn hears_a_leader(&self) -> bool {
        let leader = self.leader_id();
        if leader == Some(self.id) {
            return true;
        }
        // Raft that does not say so soon waits for its disk, which is another trouble.
        let heard = timeout(ONE_QUESTION, self.heard_of_leader()).await;
        leader.is_some() && heard.is_ok_and(|age| age < SILENCE)
    }

    async fn tell_silence(&self, span: Duration) {
        let for_s = span.as_secs();
        if self.was_removed().await {
            tracing::error!(
                for_s,
                "this node was removed from the cluster. It can come back as a new one: with an empty data folder, \
                 --join, and a token that nexus cluster join-token makes"
            );
        } else {
            tracing::warn!(for_s, "no leader is heard of: a quorum of nodes is down or cannot be reached");
        }
    }

    /// Whether a member says that this node is none. One that is behind may say so of a new node, which
    /// hears its leader, and does not ask.
    async fn was_removed(&self) -> bool {
        let others = self.other_members();
        let question = ServiceRequest::WhoIs { node: self.id };
        let asked = others.iter().map(|other| self.peers.request(other, question.clone(), ONE_QUESTION));
        let answers = join_all(asked).await;
        answers.iter().any(|answer| matches!(answer, Ok(ServiceResponse::Member(None))))
    }

    /// Moves cluster time on when something is due, so that leases end although nobody asks.
    async fn keep_time(&self) {
        let now = self.stamp().cluster;
        let is_due = self.published().state.next_deadline().is_some_and(|at| at <= now);
        if is_due {
            let deadline = Instant::now() + Duration::from_secs(1);
            let _ = self.propose_here(&Arc::new(of_the_cluster(Command::Tick)), deadline).await;
        }
    }

    /// Says what time it is, while a lease is running, to whoever may lead next. Who does not hear it begins with
    /// an older time, which lengthens leases and does no other harm: nobody waits for an answer.
    fn tell_time(self: &Arc<Self>) {
        if self.published().state.next_deadline().is_none() {
            return;
        }
        let time = ServiceRequest::ClusterTime(self.stamp().cluster);
        let others = self.other_members();
        let node = self.clone();
        tokio::spawn(async move {
            let told = others.iter().map(|other| node.peers.request(other, time.clone(), TELL_TIME));
            join_all(told).await;
        });
    }

    /// All other members of the cluster.
    fn other_members(&self) -> Vec<PeerTarget> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        let others = nodes.filter(|(id, _)| **id != self.id.0);
        others.map(|(id, member)| PeerTarget::member(*id, member)).collect()
    }

    /// Goes by newer rules once every member says that it knows them. Tells now and then whom that waits for.
    async fn raise_rules(&self, waiting_told: &mut Option<Instant>) {
        let published = self.published();
        let now = published.state.rules();
        if now >= RulesVersion::KNOWN || published.state.origin().is_none() {
            return;
        }
        // Nobody joins meanwhile.
        let Ok(_changing) = self.changing.try_lock() else { return };
        let others: Vec<NodeId> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let nodes = metrics.membership_config.membership().nodes();
            nodes.map(|(id, _)| NodeId(*id)).filter(|id| *id != self.id).collect()
        };
        let known = |id: &NodeId| self.reports.of(*id).map(|report| report.rules);
        let Some(to) = RulesVersion::of_all(others.iter().map(known)).filter(|to| *to > now) else {
            if waiting_told.is_none_or(|told| told.elapsed() >= TELL_WHO_IS_WAITED_FOR) {
                *waiting_told = Some(Instant::now());
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
        let raised = self.propose_here(&Arc::new(of_the_cluster(Command::RaiseRules(to))), deadline).await;
        if matches!(raised, Tried::Answered(_)) {
            tracing::info!(version = %to, "the cluster goes by newer rules");
        }
    }

    /// The first entry of a new cluster, proposed by whoever leads it first.
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
        let command = Command::FormCluster { origin: origin.clone(), nodes };
        match self.propose_here(&Arc::new(of_the_cluster(command)), deadline).await {
            Tried::Answered(answer) if answer.outcome.is_ok() => {
                tracing::info!(cluster = %origin.cluster, "the cluster is formed");
            }
            Tried::Answered(_) => {}
            Tried::NotProposed(why) | Tried::Refused(why) | Tried::Unknown(why) => {
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
