//! Finds out whether the cluster has removed this node, and logs that it hears no leader.

use crate::{
    node::Node,
    peer::{
        PeerClient,
        service::{ServiceRequest, ServiceResponse},
    },
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the answer to whether this node is still a member.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Time without a leader after which others are asked whether this node is still a member. Somewhat earlier, one that
/// was paused could take old messages of the leader for news, and answer although it lags.
const ASKS_AFTER: Duration = Duration::from_millis(500);
/// Time without a leader after which it is logged.
const NO_LEADER_LOGGED_AFTER: Duration = Duration::from_secs(10);
/// The time between two such log lines.
const NO_LEADER_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How long this node has heard no leader, and when that was last logged.
#[derive(Default)]
pub(super) struct LeaderSilence {
    since: Option<Instant>,
    logged: Option<Instant>,
}

impl LeaderSilence {
    /// Checks whether the leader is heard and, where it is not, whether this node was removed. Logs either.
    pub(super) async fn check(&mut self, node: &Node, peers: &PeerClient) {
        if node.hears_leader().await {
            *self = Self::default();
            node.set_removed(false);
            return;
        }
        let silent_for = self.since.get_or_insert_with(Instant::now).elapsed();
        if silent_for < ASKS_AFTER {
            return;
        }
        let was_removed = node.is_removed();
        tokio::select! {
            removed = is_removed(node, peers) => if let Some(removed) = removed {
                node.set_removed(removed);
            },
            // A node that may lead now has other duties than to wait.
            () = node.leader_changes() => {}
        }
        let is_removed = node.is_removed();
        let is_news = is_removed && !was_removed;
        if !is_news && !self.is_due(silent_for) {
            return;
        }
        self.logged = Some(Instant::now());
        let for_s = silent_for.as_secs();
        if is_removed {
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

    /// Whether the silence should be logged now.
    fn is_due(&self, silent_for: Duration) -> bool {
        silent_for >= NO_LEADER_LOGGED_AFTER
            && self.logged.is_none_or(|at| at.elapsed() >= NO_LEADER_LOG_INTERVAL)
    }
}

/// Whether another member says that this node is not a member; none without any answer. The first one that says so
/// counts: it hears a leader, and others may hang or be removed themselves.
async fn is_removed(node: &Node, peers: &PeerClient) -> Option<bool> {
    let others = node.other_members();
    let question = ServiceRequest::WhoIs { node: node.id };
    let mut answers: FuturesUnordered<_> =
        others.iter().map(|(_, other)| peers.request(other, question.clone(), ANSWER_TIMEOUT)).collect();
    let mut is_member = false;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(ServiceResponse::Member(None)) => return Some(true),
            Ok(ServiceResponse::Member(Some(_))) => is_member = true,
            _ => {}
        }
    }
    is_member.then_some(false)
}
