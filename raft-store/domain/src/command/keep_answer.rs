//! Returns the outcome of what a node has already done for a client whose rights it has checked. Rights that were lost
//! since change nothing about it.

use crate::{
    decide::{Context, Decide, Decision, Facts},
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Stores the outcome of a request that was carried out outside of the log, such as a change of the membership.
/// A retry gets this outcome.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeepAnswer {
    /// The outcome that the client got.
    pub outcome: Result<Box<Reply>, Box<Refusal>>,
}

impl Decide for KeepAnswer {
    fn facts(&self) -> Facts {
        // It records the answer to an operation that is already done.
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.admin().map(drop)
    }

    fn decide(&self, _ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        match &self.outcome {
            Ok(reply) => Ok(Decision::new(Vec::new(), Reply::clone(reply))),
            Err(refusal) => Err(Refusal::clone(refusal)),
        }
    }
}
