//! Whether the cluster can do without a voter now, on the leader. A node that finds damage in itself alone asks before
//! it fences itself: a fault of the program could make all nodes find the same.
//!
//! One node gets the permission, and must use it within [`PERMISSION_VALID`]. So two of them never cost the quorum
//! together, also if the leader changes in between:
//!
//! - A leader gives none in the first [`LEAST_REIGN`] of its term. By then a node that got one from the leader before
//!   has stopped, and does not count as alive, or has let it pass.
//! - A leader gives a second one only after [`BETWEEN_PERMISSIONS`], for the same reason. To let a node be rebuilt
//!   counts like a permission, since that node leaves the quorum, too.
//! - A leader that is deposed and does not know it is acknowledged by no majority, so that it finds none alive.

use crate::{node::Node, watch::reports::Reports};
use nexus_domain::NodeId;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// A permission must be used in this time from when it was asked for.
pub(crate) const PERMISSION_VALID: Duration = Duration::from_millis(500);
/// A leader waits this long before its first permission: far longer than a permission is valid, and longer than a node
/// that has stopped counts as alive.
const LEAST_REIGN: Duration = Duration::from_secs(10);
/// The time between two permissions, for the same reasons.
const BETWEEN_PERMISSIONS: Duration = Duration::from_secs(10);

/// A node that was let go, and when.
pub(super) type Loss = (NodeId, Instant);

/// The last node that this leader let go.
#[derive(Default)]
pub(super) struct Losses(Mutex<Option<Loss>>);

impl Losses {
    /// Permits a node to fence itself, if `leader` leads and the sound voters that are alive without that node are a
    /// majority. The caller holds the lock of changes.
    ///
    /// # Errors
    /// The reason why not, in a sentence.
    pub(super) fn permit(&self, node: NodeId, leader: &Node, reports: &Reports) -> Result<(), String> {
        if leader.led_for() < LEAST_REIGN.max(dead_after(leader)) {
            return Err("this node does not lead, or has not led for long".to_owned());
        }
        if self.recent(leader).is_some() {
            return Err("another node has just got the permission, or is being rebuilt".to_owned());
        }
        let metrics = leader.metrics();
        let members = leader.members_in(&metrics);
        // A voter that has fenced itself, or is about to, is lost already.
        let is_sound = |id: NodeId| reports.fence_of(id).is_none() && reports.divergence(id).is_none();
        let is_alive = |id: u64| {
            let is_up = members.iter().any(|member| member.id.0 == id && member.is_alive);
            id != node.0 && is_up && is_sound(NodeId(id))
        };
        for voters in metrics.membership_config.membership().get_joint_config() {
            let alive = voters.iter().filter(|id| is_alive(**id)).count();
            if voters.contains(&node.0) && alive * 2 <= voters.len() {
                return Err(format!("without node {node}, only {alive} of {} voters answer", voters.len()));
            }
        }
        let _ = self.note(node);
        Ok(())
    }

    /// Checks that no other node has just been let go, so that this one may be rebuilt.
    ///
    /// # Errors
    /// The reason why not, in a sentence.
    pub(super) fn check_rebuild(&self, node: NodeId, leader: &Node) -> Result<(), String> {
        match self.recent(leader) {
            Some(other) if other != node => Err(format!(
                "node {other} has just fenced itself or is being rebuilt: try again in some seconds, when it is known \
                 which voters are left"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that a node leaves the quorum now. Returns the loss before.
    pub(super) fn note(&self, node: NodeId) -> Option<Loss> {
        self.lock().replace((node, Instant::now()))
    }

    /// Takes the last note back, since that node did not leave the quorum after all.
    pub(super) fn restore(&self, before: Option<Loss>) {
        *self.lock() = before;
    }

    /// The voter that was let go a moment ago, if any. One that another node has replaced is no loss any more.
    fn recent(&self, leader: &Node) -> Option<NodeId> {
        let longest = BETWEEN_PERMISSIONS.max(dead_after(leader));
        let (node, at) = (*self.lock())?;
        (at.elapsed() < longest && leader.voters().contains(&node.0)).then_some(node)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Loss>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A voter that has stopped counts as alive for less than this.
fn dead_after(leader: &Node) -> Duration {
    leader.timing.lease() * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_was_not_sent_leaves_the_permission_before_it() {
        let losses = Losses::default();
        assert_eq!(losses.note(NodeId(2)), None);
        let permitted = *losses.lock();
        let before = losses.note(NodeId(2));
        losses.restore(before);
        assert!(permitted.is_some() && *losses.lock() == permitted);
    }
}
