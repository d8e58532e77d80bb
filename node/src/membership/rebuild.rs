//! Lets a member be rebuilt, on the leader: a fenced one, or a healthy one whose operator insists.

use super::{change::Membership, plan::refused};
use crate::peer::{
    PeerError, PeerTarget,
    service::{ServiceRequest, ServiceResponse},
};
use nexus_domain::NodeId;
use std::time::Duration;

/// Longest wait for the node that is to be rebuilt, which writes its order to its disk.
const ORDER_TIMEOUT: Duration = Duration::from_secs(5);

impl Membership {
    /// Orders a member to begin anew under another id. Its data is kept.
    pub(super) async fn order_rebuild(
        &self,
        node: NodeId,
        forced: bool,
    ) -> Result<ServiceResponse, ServiceResponse> {
        let progress = self.planner.progress_of(node)?;
        let target = PeerTarget::member(node.0, &progress.member);
        // Before the order is sent: whether it arrives may stay unknown.
        let before = self.losses.note(node);
        let ordered = self.peers.request(&target, ServiceRequest::Rebuild { forced }, ORDER_TIMEOUT).await;
        match ordered {
            Ok(rebuilding @ ServiceResponse::Rebuilding { .. }) => {
                tracing::warn!(%node, forced, "a member is rebuilt");
                Ok(rebuilding)
            }
            Ok(ServiceResponse::Unavailable { reason }) => {
                self.losses.restore(before);
                Err(refused(format!("node {node} cannot be rebuilt now: {reason}")))
            }
            Ok(other) => Err(refused(format!("node {node} gave an answer to something else: {other:?}"))),
            Err(error @ PeerError::NotSent(_)) => {
                self.losses.restore(before);
                Err(refused(format!(
                    "node {node} does not answer: {error}. On its machine, nexusd rebuild --data-dir DIR does the same"
                )))
            }
            Err(error @ PeerError::Unknown(_)) => Err(ServiceResponse::OutcomeUnknown {
                reason: format!(
                    "node {node} was asked to begin anew, and does not answer: {error}. nexus cluster status shows \
                     whether it does"
                ),
            }),
        }
    }
}
