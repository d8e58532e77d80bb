//! Revokes one of the actor's own API keys.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found},
    event::Event,
    ids::KeyId,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Revokes one of the actor's own API keys, at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RevokeKey {
    /// The key to revoke.
    pub key: KeyId,
}

impl Decide for RevokeKey {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        // Only the node that received it can retry it: no client is authenticated by that key any more.
        if ctx.uses_key(self.key) {
            return Ok(());
        }
        ctx.writer()?;
        ctx.owner().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        ctx.writer()?;
        let engineer = ctx.owner()?;
        let key = ctx.state.key_of(engineer.id, self.key);
        let key = key.ok_or_else(|| not_found(EntityKind::Key, self.key))?;
        Ok(Decision::new(vec![Event::KeyRevoked(key.clone())], Reply::Done))
    }
}
