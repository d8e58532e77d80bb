//! The background tasks of a node for the cluster. Most of them run while it leads.
//!
//! - This file: sends the cluster time, ends leases that are due, completes half-done changes of the voters, and
//!   promotes learners that have caught up.
//! - `first_entry`: forms a new cluster. `rules`: raises the rules version once every member knows a newer one.
//! - `disk_space`: refuses writes that store more while space is low. `slow_disk`: hands leadership over when flushes
//!   are slow. `preferred_leader`: hands it to the member with the highest priority.
//! - `scheduled_backups`: takes backups into a folder or an object store.
//! - `silence`: finds out whether this node was removed, and logs that no leader is heard.

pub(crate) mod disk_space;
pub(crate) mod first_entry;
mod preferred_leader;
mod rules;
pub(crate) mod scheduled_backups;
mod silence;
pub(crate) mod slow_disk;

use crate::{
    membership::change::Membership,
    node::Node,
    peer::{PeerClient, service::ServiceRequest},
    proposer::Proposer,
    raft::clock::TIME_BROADCAST_INTERVAL,
    watch::{cluster_clock::ClusterClock, reports::Reports},
};
use disk_space::SpaceAdmission;
use first_entry::FirstEntry;
use futures::future::join_all;
use nexus_domain::command;
use preferred_leader::PreferredLeader;
use rules::RulesUpgrade;
use silence::LeaderSilence;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Time between two runs of the duties. Leases end at most this late.
const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// How often a node checks whether it hears its leader.
const LEADER_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How often learners and the rules versions of members are checked.
const LEARNER_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Longest wait for a quorum that acknowledges an entry of the duties. The next tick tries again.
const ENTRY_TIMEOUT: Duration = Duration::from_secs(1);

/// The inputs of the duties.
pub(crate) struct Duties {
    pub(crate) node: Node,
    pub(crate) peers: PeerClient,
    pub(crate) clock: Arc<ClusterClock>,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) space: SpaceAdmission,
    pub(crate) first_entry: FirstEntry,
}

impl Duties {
    /// Runs for as long as the node does. Most duties are those of a leader alone.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut interval = interval(TICK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut led_term = None;
        let mut silence = LeaderSilence::default();
        let (proposer, membership) = (self.proposer.clone(), self.membership.clone());
        let mut preferred = PreferredLeader::new(self.node.clone(), membership.clone(), self.reports.clone());
        let mut rules = RulesUpgrade::new(self.node.clone(), proposer, membership, self.reports.clone());
        let (mut learners_checked, mut leader_checked) = (Instant::now(), Instant::now());
        let mut time_sent = Instant::now();
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            self.node.count_duties_run();
            if leader_checked.elapsed() >= LEADER_CHECK_INTERVAL {
                leader_checked = Instant::now();
                silence.check(&self.node, &self.peers).await;
            }
            if !self.node.leads() {
                led_term = None;
                self.space.clear();
                continue;
            }
            let term = self.node.term();
            if led_term != Some(term) {
                led_term = Some(term);
                self.node.count_election_won(term);
                preferred.leads_anew();
                tracing::info!(term, "this node leads");
            }
            self.first_entry.propose_once(&self.node, &self.proposer).await;
            self.end_due_leases().await;
            if time_sent.elapsed() >= TIME_BROADCAST_INTERVAL {
                time_sent = Instant::now();
                self.broadcast_time();
            }
            self.space.update().await;
            preferred.check().await;
            if learners_checked.elapsed() >= LEARNER_CHECK_INTERVAL {
                learners_checked = Instant::now();
                self.membership.complete_change().await;
                self.membership.promote_learners().await;
                rules.raise().await;
            }
        }
    }

    /// Proposes a tick when a lease or another deadline is due, so that it takes effect without any request.
    async fn end_due_leases(&self) {
        let now = self.clock.stamp().cluster;
        let is_due = self.node.published().state.next_deadline().is_some_and(|at| at <= now);
        if is_due {
            let _ = self.proposer.propose_as_system(command::Tick, Instant::now() + ENTRY_TIMEOUT).await;
        }
    }

    /// Sends the cluster time to all members while a lease is running: each may be the next leader. One that misses it
    /// would start from an older time, which only lengthens leases, so nobody waits for the answers.
    fn broadcast_time(&self) {
        if self.node.published().state.next_deadline().is_none() {
            return;
        }
        let time = ServiceRequest::ClusterTime(self.clock.stamp().cluster);
        let (others, peers) = (self.node.other_members(), self.peers.clone());
        tokio::spawn(async move {
            let send = |other| peers.request(other, time.clone(), TIME_BROADCAST_INTERVAL);
            join_all(others.iter().map(|(_, other)| send(other))).await;
        });
    }
}
