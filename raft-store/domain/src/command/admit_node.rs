//! Hands out a node id. The same data folder gets the same id again.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found},
    entity::{NodeRecord, TokenDigest},
    event::Event,
    ids::{InstanceId, NodeId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    short_text::Label,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Hands out a node id, to a new node with a join token or to a member that lost its data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdmitNode {
    /// The random id of the node's data folder. The same folder gets the same node id again.
    pub instance: InstanceId,
    /// `host:port` for other nodes.
    pub peer_addr: Label,
    /// `host:port` for clients.
    pub client_addr: Label,
    /// The digest of the join token. `None` is accepted only from a former member at its old peer address.
    pub token: Option<TokenDigest>,
    /// The member that this node replaces.
    pub replaces: Option<NodeId>,
}

impl Decide for AdmitNode {
    fn facts(&self) -> Facts {
        // A node with a larger disk makes room.
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: true, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { instance, ref peer_addr, ref client_addr, token, replaces } = *self;
        ctx.system()?;
        if ctx.state.origin.is_none() {
            return Err(Refusal::Cluster("the cluster is not formed yet; try again".to_owned()));
        }
        let now = ctx.state.clock.cluster;
        let invited =
            token.and_then(|digest| ctx.state.join_token(digest)).is_some_and(|token| now < token.expires);
        let returns = replaces
            .and_then(|id| ctx.state.node(id))
            .is_some_and(|former| token.is_none() && former.peer_addr == *peer_addr);
        if !invited && !returns {
            return Err(Refusal::JoinTokenInvalid);
        }
        if let Some(node) = ctx.state.node_of(instance) {
            return Ok(Decision::new(Vec::new(), Reply::Node(node.clone())));
        }
        if let Some(former) = replaces.filter(|id| ctx.state.node(*id).is_none()) {
            return Err(not_found(EntityKind::Node, former));
        }
        let highest = ctx.state.nodes.get_max().map_or(0, |(id, _)| id.0);
        let node = Arc::new(NodeRecord {
            id: NodeId(highest + 1),
            instance,
            peer_addr: peer_addr.clone(),
            client_addr: client_addr.clone(),
            replaces,
            admitted_at: ctx.wall(),
        });
        Ok(Decision::new(vec![Event::NodeAdmitted(node.clone())], Reply::Node(node)))
    }
}
