//! Forms the cluster, by the first entry of its log.

use crate::{
    decide::{Context, Decide, Decision, Facts},
    entity::{ClusterOrigin, NodeRecord},
    event::Event,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Forms the cluster: the first entry of every log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FormCluster {
    /// The cluster's id, and the digest of the token that makes the first admin.
    pub origin: ClusterOrigin,
    /// The initial voters.
    pub nodes: Vec<NodeRecord>,
}

impl Decide for FormCluster {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: true, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { origin, nodes } = self;
        ctx.system()?;
        if ctx.state.origin.is_some() {
            return Err(Refusal::Cluster("the cluster was formed already".to_owned()));
        }
        let nodes = nodes.iter().cloned().map(Arc::new).collect();
        Ok(Decision::new(vec![Event::ClusterFormed { origin: Arc::new(origin.clone()), nodes }], Reply::Done))
    }
}
