//! Begins a new history, by the first entry of a cluster that was restored from a backup or recovered from one node.

use crate::{
    decide::{Context, Decide, Decision, Facts, TOO_NEW},
    entity::{HistoryStart, NodeRecord, ResetKind},
    event::Event,
    ids::ClusterId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    time::Revision,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Begins a new history at the index of this entry. It is applied before the cluster serves anybody, so that its cost,
/// one small event for each project, delays nobody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BeginHistory {
    /// The cluster's id from now on. Nodes of the former cluster do not talk to it.
    pub cluster: ClusterId,
    /// The last log index of the former history.
    pub through: Revision,
    /// Why the history is reset.
    pub kind: ResetKind,
    /// The first node of the new history.
    pub node: NodeRecord,
    /// The version of the rules that the first node knows, which the cluster applies from here on.
    pub rules: RulesVersion,
}

impl Decide for BeginHistory {
    fn facts(&self) -> Facts {
        // The state may be one of older rules. No older node can be in the new cluster, and this entry raises the rules
        // itself: an entry before it would count the indexes that nobody had. A cluster must come up again on a full
        // disk, too.
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: true, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { cluster, through, kind, ref node, rules } = *self;
        ctx.system()?;
        let refused = |why: &str| Refusal::Cluster(why.to_owned());
        let Some(origin) = ctx.state.origin() else { return Err(refused("the cluster was not formed")) };
        if origin.cluster == cluster {
            // The proposal was sent again after an unknown outcome.
            return Ok(Decision::new(Vec::new(), Reply::Done));
        }
        if rules < RulesVersion::FOURTH {
            return Err(refused(TOO_NEW));
        }
        if through >= ctx.revision {
            return Err(refused("a history begins after the former one"));
        }
        if ctx.state.node(node.id).is_some() {
            return Err(refused("node ids are never reused"));
        }
        let (former, from) = (origin.cluster, ctx.revision);
        let start = Arc::new(HistoryStart { from, through, former, kind, is_ending: true });
        let began = Event::HistoryBegan { cluster, start: start.clone(), node: Arc::new(node.clone()) };
        let announced = ctx
            .state
            .projects()
            .map(|project| Event::HistoryReset { project: project.id, start: start.clone() });
        let raised = (rules > ctx.state.rules).then_some(Event::RulesRaised(rules));
        Ok(Decision::new([began].into_iter().chain(raised).chain(announced).collect(), Reply::Done))
    }
}
