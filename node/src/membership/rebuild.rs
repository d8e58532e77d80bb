//! Lets a member be rebuilt, on the leader: a fenced one, or a healthy one whose operator insists.

use super::{change::Membership, plan::refused};
use crate::peer::{
    PeerTarget,
    service::{ServiceRequest, ServiceResponse},
};
use nexus_domain::NodeId;
use std::time::Duration;

/// Longest wait for the node that is to be rebuilt, which writes its order to its disk.
const ORDER_TIMEOUT: Duration = Duration::from_secs(5);

impl Membership {
    /// Lets a member begin anew under another id. Its data is kept. The others must have a quorum without it.
    pub(super) async fn rebuild(
        &self,
        node: NodeId,
        forced: bool,
    ) -> Result<ServiceResponse, ServiceResponse> {
        let _guard = self.change.lock().await;
        let progress = match self.planner.progress_of(node) {
            Ok(progress) => progress,
            // A retry: it has been replaced by now.
            Err(_) if self.node.published().state.node(node).is_some() => return Ok(ServiceResponse::Done),
            Err(unknown) => return Err(unknown),
        };
        let is_fenced = self.reports.fence_of(node).is_some();
        if !is_fenced && !forced {
            return Err(refused(format!(
                "node {node} is not fenced: nexus cluster status shows what each node says of itself. If it has to be \
                 rebuilt all the same, say --force"
            )));
        }
        let members = self.node.members();
        let voters: Vec<_> = members.iter().filter(|member| member.is_voter).collect();
        let others = voters.iter().filter(|member| member.id != node && member.is_alive).count();
        if progress.is_voter && others * 2 <= voters.len() {
            return Err(refused(format!(
                "without node {node}, only {others} of {} voters answer: no quorum would be left. Bring a silent one \
                 back, or add a node first",
                voters.len()
            )));
        }
        if node == self.node.id {
            // The next leader lets it be rebuilt.
            self.transfer_leader(None).await?;
            return Err(ServiceResponse::NotLeader { leader: self.node.leader_id() });
        }
        let target = PeerTarget::member(node.0, &progress.member);
        let ordered = self.peers.request(&target, ServiceRequest::Rebuild { forced }, ORDER_TIMEOUT).await;
        match ordered {
            Ok(rebuilding @ ServiceResponse::Rebuilding { .. }) => {
                tracing::warn!(%node, is_fenced, "a member is rebuilt");
                Ok(rebuilding)
            }
            Ok(ServiceResponse::Unavailable { reason }) => {
                Err(refused(format!("node {node} cannot be rebuilt now: {reason}")))
            }
            Ok(other) => Err(refused(format!("node {node} gave an answer to something else: {other:?}"))),
            Err(error) => Err(refused(format!(
                "node {node} does not answer: {error}. On its machine, nexusd rebuild --data-dir DIR does the same"
            ))),
        }
    }
}
