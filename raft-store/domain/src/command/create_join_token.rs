//! Creates a join token, with which nodes join until it expires.

use crate::{
    decide::{Context, Decide, Decision, Facts},
    entity::{JoinToken, TokenDigest},
    event::Event,
    ids::JoinTokenId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    time::Millis,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Join tokens that have not expired.
const MAX_JOIN_TOKENS: usize = 100;

/// Creates a join token for nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CreateJoinToken {
    /// The token's id.
    pub id: JoinTokenId,
    /// The SHA-256 of the token.
    pub digest: TokenDigest,
    /// How long it is accepted, in cluster time.
    pub lifetime: Millis,
}

impl Decide for CreateJoinToken {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.admin().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { id, digest, lifetime } = *self;
        ctx.admin()?;
        if ctx.state.join_tokens.len() >= MAX_JOIN_TOKENS {
            return Err(Refusal::TooMany { what: "join tokens".to_owned(), limit: MAX_JOIN_TOKENS as u64 });
        }
        let expires = ctx.state.clock.cluster.after(lifetime);
        let token = JoinToken { id, digest, expires, created_at: ctx.wall() };
        let token = Arc::new(token);
        Ok(Decision::new(vec![Event::JoinTokenCreated(token.clone())], Reply::JoinToken(token)))
    }
}
