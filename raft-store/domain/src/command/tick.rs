//! Advances cluster time. It decides nothing itself: every entry first ends the leases that have expired.

use crate::{
    decide::{Context, Decide, Decision, Facts},
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Advances cluster time, so that leases expire although no client writes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tick;

impl Decide for Tick {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: true, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, _ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        Ok(Decision::new(Vec::new(), Reply::Done))
    }
}
