//! Whether the cluster can do without a voter now, on the leader. A node that finds damage in itself alone asks before
//! it fences itself: a fault of the program could make all nodes find the same.
//!
//! One node gets the permission, and must use it within [`PERMISSION_VALID`]. So two of them never cost the quorum
//! together, also if the leader changes in between:
//!
//! - A leader gives none in the first [`LEAST_REIGN`] of its term. By then a node that got one from the leader before
//!   has stopped, and does not count as alive, or has let it pass.
//! - A leader gives a second one only after [`BETWEEN_PERMISSIONS`], for the same reason.
//! - A leader that is deposed and does not know it is acknowledged by no majority, so that it finds none alive.

use crate::node::Node;
use nexus_domain::NodeId;
use std::{
    sync::{Mutex, PoisonError},
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

/// When this leader gave its last permission.
#[derive(Default)]
pub(super) struct Losses(Mutex<Option<Instant>>);

impl Losses {
    /// Permits a node to fence itself, if `leader` leads and the voters that are alive without that node are a
    /// majority.
    ///
    /// # Errors
    /// The reason why not, in a sentence.
    pub(super) fn permit(&self, node: NodeId, leader: &Node) -> Result<(), String> {
        let dead_after = leader.timing.lease() * 4;
        if leader.led_for() < LEAST_REIGN.max(dead_after) {
            return Err("this node does not lead, or has not led for long".to_owned());
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < BETWEEN_PERMISSIONS.max(dead_after)) {
            return Err("another node has just got the permission".to_owned());
        }
        let metrics = leader.metrics();
        let members = leader.members_in(&metrics);
        let is_alive =
            |id: u64| id != node.0 && members.iter().any(|member| member.id.0 == id && member.is_alive);
        for voters in metrics.membership_config.membership().get_joint_config() {
            let alive = voters.iter().filter(|id| is_alive(**id)).count();
            if voters.contains(&node.0) && alive * 2 <= voters.len() {
                return Err(format!("without node {node}, only {alive} of {} voters answer", voters.len()));
            }
        }
        *last = Some(Instant::now());
        Ok(())
    }
}
