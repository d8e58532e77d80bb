//! The announcements of other nodes that stay true while these do not report: that they are drained, or have fenced
//! themselves.

use nexus_api_types::cluster::NodeFence;
use nexus_domain::NodeId;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// The announcements of other nodes.
#[derive(Default)]
pub(super) struct Announcements {
    draining: Mutex<BTreeMap<NodeId, Draining>>,
    fences: Mutex<BTreeMap<NodeId, NodeFence>>,
}

/// The newest announcement about whether a node is drained.
struct Draining {
    is_draining: bool,
    at: Instant,
}

impl Announcements {
    fn draining(&self) -> MutexGuard<'_, BTreeMap<NodeId, Draining>> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fences(&self) -> MutexGuard<'_, BTreeMap<NodeId, NodeFence>> {
        self.fences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a node is drained.
    pub(super) fn is_draining(&self, node: NodeId) -> bool {
        self.draining().get(&node).is_some_and(|last| last.is_draining)
    }

    /// Notes that a node is drained, or not any more, as of this moment. What is older than the newest announcement
    /// counts for nothing: details that were asked for before a drain do not end it.
    pub(super) fn set_draining(&self, node: NodeId, is_draining: bool, at: Instant) {
        let mut draining = self.draining();
        if draining.get(&node).is_none_or(|last| last.at <= at) {
            draining.insert(node, Draining { is_draining, at });
        }
    }

    /// Why a node has fenced itself; none for a node that has not.
    pub(super) fn fence_of(&self, node: NodeId) -> Option<NodeFence> {
        self.fences().get(&node).cloned()
    }

    /// Notes that a node has fenced itself. Logs that, once for each reason.
    pub(super) fn note_fence(&self, node: NodeId, fence: NodeFence) {
        let before = self.fences().insert(node, fence.clone());
        if before.as_ref() != Some(&fence) {
            tracing::error!(
                %node, reason = fence.reason,
                "that node has fenced itself; nexus cluster rebuild {node} gives it the state of the others"
            );
        }
    }

    /// Notes that a node reports again.
    pub(super) fn end_fence(&self, node: NodeId) {
        self.fences().remove(&node);
    }

    /// Forgets nodes that are no members any more.
    pub(super) fn forget_all_but(&self, is_member: impl Fn(NodeId) -> bool) {
        self.draining().retain(|node, _| is_member(*node));
        self.fences().retain(|node, _| is_member(*node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn details_that_were_asked_for_before_a_drain_do_not_end_it() {
        let (announced, node, asked) = (Announcements::default(), NodeId(2), Instant::now());
        let drained = asked + Duration::from_millis(1);
        announced.set_draining(node, true, drained);
        announced.set_draining(node, false, asked);
        assert!(announced.is_draining(node));
        announced.set_draining(node, false, drained + Duration::from_secs(2));
        assert!(!announced.is_draining(node));
    }
}
