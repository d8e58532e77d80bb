//! Adds an API key to the actor's own keys.

use crate::{
    command::NewApiKey,
    decide::{Context, Decide, Decision, Facts, access::reader},
    entity::ApiKey,
    event::Event,
    ids::EngineerId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// API keys of one engineer that are not limited to a project.
const MAX_KEYS: usize = 100;
/// API keys of one engineer for one project. They do not count among the others: a lead of any project may give one,
/// and must not use up what the engineer may make.
const MAX_KEYS_FOR_PROJECT: usize = 10;

/// Adds an API key to the actor's own keys, at most 100, and 10 more for each project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddKey {
    /// The new key.
    pub key: NewApiKey,
}

/// Checks that an engineer may have one more key beside those that stay, and that its prefix is free.
pub(super) fn check_new(
    ctx: Context<'_>,
    engineer: EngineerId,
    key: &NewApiKey,
    stays: impl Fn(&ApiKey) -> bool,
) -> Result<(), Refusal> {
    let is_by_project = ctx.state.rules >= RulesVersion::THIRD;
    let (what, limit) = match key.project {
        Some(_) if is_by_project => ("API keys of one engineer for one project", MAX_KEYS_FOR_PROJECT),
        _ => ("API keys of one engineer", MAX_KEYS),
    };
    let counts = |other: &&Arc<ApiKey>| stays(other) && (!is_by_project || other.project == key.project);
    if ctx.state.keys_of(engineer).filter(counts).count() >= limit {
        return Err(Refusal::TooMany { what: what.to_owned(), limit: limit as u64 });
    }
    if ctx.state.api_keys.contains_key(&key.prefix) {
        return Err(Refusal::KeyPrefixTaken);
    }
    Ok(())
}

impl Decide for AddKey {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.writer()?;
        ctx.owner().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let key = &self.key;
        ctx.writer()?;
        let engineer = ctx.owner()?;
        check_new(ctx, engineer.id, key, |_| true)?;
        if key.expires_at.is_some_and(|at| at <= ctx.wall()) {
            let (setting, problem) = ("expiresAt".to_owned(), "must be in the future".to_owned());
            return Err(Refusal::SettingOutOfRange { setting, problem });
        }
        let key = key.owned_by(engineer.id, ctx.wall());
        if let Some(project) = key.project {
            // The owner must see the project. The key need not be stored yet.
            reader(ctx.state, engineer, &ApiKey { project: None, ..key.clone() }, project)?;
        }
        let key = Arc::new(key);
        Ok(Decision::new(vec![Event::KeyAdded(key.clone())], Reply::KeyAdded(key)))
    }
}
