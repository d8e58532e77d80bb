//! Raises the version of the rules. It never falls, since newer rules may have changed the state already.

use crate::{
    decide::{Context, Decide, Decision, Facts},
    event::Event,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Raises the version of the rules, once every member knows the new one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RaiseRules {
    /// The version from now on.
    pub to: RulesVersion,
}

impl Decide for RaiseRules {
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
        let to = self.to;
        ctx.system()?;
        let events = if to > ctx.state.rules { vec![Event::RulesRaised(to)] } else { Vec::new() };
        Ok(Decision::new(events, Reply::Done))
    }
}
