//! Logs that this node hears no leader, and whether the cluster has removed it.

use crate::{
    node::Node,
    peer::{
        PeerClient,
        service::{ServiceRequest, ServiceResponse},
    },
};
use futures::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Longest wait for the answer to whether this node is still a member, or when it last heard its leader.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Time without a leader after which it is logged.
const NO_LEADER_LOGGED_AFTER: Duration = Duration::from_secs(10);
/// Between two such log lines.
const NO_LEADER_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How long this node has heard no leader, and when that was last logged.
#[derive(Default)]
pub(super) struct LeaderSilence {
    since: Option<Instant>,
    logged: Option<Instant>,
}

impl LeaderSilence {
    /// Checks for messages of the leader, and logs when it has been silent for long.
    pub(super) async fn check(&mut self, node: &Node, peers: &PeerClient) {
        let Some(span) = self.note(heard_leader_recently(node).await) else { return };
        let for_s = span.as_secs();
        if was_removed(node, peers).await {
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

/// Whether this node leads, or has recently received a message of its leader. A leader from before a restart does not
/// count.
async fn heard_leader_recently(node: &Node) -> bool {
    if node.leads() {
        return true;
    }
    let leader = node.leader_id();
    // When Raft does not answer in time, it waits for its disk, which is logged elsewhere.
    let silent_for = timeout(ANSWER_TIMEOUT, node.time_since_leader()).await;
    leader.is_some() && silent_for.is_ok_and(|age| age < NO_LEADER_LOGGED_AFTER)
}

/// Whether another member says that this node is not a member. One that lags may say so of a new node, but that one
/// hears its leader and does not ask.
async fn was_removed(node: &Node, peers: &PeerClient) -> bool {
    let others = node.other_members();
    let question = ServiceRequest::WhoIs { node: node.id };
    let asking = others.iter().map(|(_, other)| peers.request(other, question.clone(), ANSWER_TIMEOUT));
    let answers = join_all(asking).await;
    answers.iter().any(|answer| matches!(answer, Ok(ServiceResponse::Member(None))))
}
