//! Makes a node a replica, or ends that. A replica is a learner that is never promoted by itself.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found},
    event::Event,
    ids::NodeId,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Says whether a node is a replica. The membership itself is changed by Raft, before or after this entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetReplica {
    /// The id of the node.
    pub node: NodeId,
    /// Whether it is a replica from now on.
    pub is_replica: bool,
}

impl Decide for SetReplica {
    fn facts(&self) -> Facts {
        // A node with a larger disk makes room.
        Facts { since: RulesVersion::FIFTH, grows: false, is_internal: true, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { node, is_replica } = *self;
        ctx.system()?;
        if ctx.state.node(node).is_none() {
            return Err(not_found(EntityKind::Node, node));
        }
        let changes = ctx.state.is_replica(node) != is_replica;
        let events = changes.then_some(Event::ReplicaSet { node, is_replica });
        Ok(Decision::new(events.into_iter().collect(), Reply::Done))
    }
}
