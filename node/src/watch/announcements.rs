//! What other nodes have announced of themselves, and stays true while they do not report: that they are drained, or
//! have fenced themselves.

use nexus_api_types::cluster::NodeFence;
use nexus_domain::NodeId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The announcements of other nodes.
#[derive(Default)]
pub(super) struct Announcements {
    draining: Mutex<BTreeSet<NodeId>>,
    fences: Mutex<BTreeMap<NodeId, NodeFence>>,
}

impl Announcements {
    fn draining(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fences(&self) -> MutexGuard<'_, BTreeMap<NodeId, NodeFence>> {
        self.fences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a node is drained.
    pub(super) fn is_draining(&self, node: NodeId) -> bool {
        self.draining().contains(&node)
    }

    /// Notes that a node is drained, or not any more.
    pub(super) fn set_draining(&self, node: NodeId, is_draining: bool) {
        if is_draining {
            self.draining().insert(node);
        } else {
            self.draining().remove(&node);
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
        self.draining().retain(|node| is_member(*node));
        self.fences().retain(|node, _| is_member(*node));
    }
}
