//! Registers an engineer with a first API key; with the bootstrap token, the first admin.

use crate::{
    command::NewApiKey,
    decide::{Context, Decide, Decision, Facts},
    entity::{Engineer, Role, TokenDigest},
    event::Event,
    ids::EngineerId,
    refusal::{Refusal, RegistrationRefusal},
    reply::Reply,
    rules::RulesVersion,
    settings::Registration,
    short_text::{Email, Name},
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Engineers of one cluster: bounds memory while registration is open.
const MAX_ENGINEERS: usize = 100_000;

/// Registers an engineer, with a first API key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterEngineer {
    /// The new engineer's id.
    pub id: EngineerId,
    /// The name that people see.
    pub name: Name,
    /// The e-mail address, unique in the cluster.
    pub email: Email,
    /// The first key.
    pub key: NewApiKey,
    /// The salt from which the key was derived, so that a retry shows the same key. `None` without an
    /// idempotency key.
    pub salt: Option<[u8; 16]>,
    /// The digest of the bootstrap token, which makes the first admin.
    pub bootstrap: Option<TokenDigest>,
}

impl Decide for RegisterEngineer {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        match ctx.state.settings.registration {
            Registration::Invite => ctx.admin().map(drop),
            Registration::Open | Registration::Closed => ctx.identified().map(drop),
        }
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { id, ref name, ref email, ref key, salt, bootstrap } = *self;
        let expected = ctx.state.origin.as_ref().and_then(|origin| origin.bootstrap);
        let role = match bootstrap {
            Some(digest) if Some(digest) == expected => Role::Admin,
            Some(_) => return Err(Refusal::RegistrationClosed(RegistrationRefusal::BootstrapToken)),
            None => match ctx.state.settings.registration {
                Registration::Open => Role::Engineer,
                // An admin registers the engineers whom they invite, and passes the key on.
                Registration::Invite => ctx
                    .admin()
                    .map(|_| Role::Engineer)
                    .map_err(|_| Refusal::RegistrationClosed(RegistrationRefusal::InviteOnly))?,
                Registration::Closed => return Err(Refusal::RegistrationClosed(RegistrationRefusal::Closed)),
            },
        };
        if ctx.state.emails.contains_key(email) {
            return Err(Refusal::EmailTaken(email.clone()));
        }
        if ctx.state.engineers.len() >= MAX_ENGINEERS {
            return Err(Refusal::TooMany { what: "engineers".to_owned(), limit: MAX_ENGINEERS as u64 });
        }
        if ctx.state.api_keys.contains_key(&key.prefix) {
            return Err(Refusal::KeyPrefixTaken);
        }
        let engineer =
            Arc::new(Engineer { id, name: name.clone(), email: email.clone(), role, created_at: ctx.wall() });
        let key = key.owned_by(id, ctx.wall());
        let mut events = vec![Event::EngineerRegistered(engineer.clone()), Event::KeyAdded(Arc::new(key))];
        if role == Role::Admin {
            events.push(Event::BootstrapTokenUsed);
        }
        Ok(Decision::new(events, Reply::Registered { engineer, salt }))
    }
}
