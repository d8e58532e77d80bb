//! Authenticates a request: finds its engineer, key and session.

use super::{key::ApiKeyText, verifier::Verifier};
use crate::{
    cluster::{Cluster, Consistency},
    failure::ApiError,
};
use axum::http::{HeaderMap, header};
use nexus_api_types::{Code, header as names};
use nexus_domain::{
    Actor, EngineerId, ProjectId, Refusal, SessionId, State,
    decide::access,
    entity::{ApiKey, Engineer},
    ids::KeyId,
};
use std::sync::Arc;
use uuid::Uuid;

/// The authenticated engineer of a request, with the key and the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) engineer: EngineerId,
    pub(crate) key: KeyId,
    pub(crate) session: Option<SessionId>,
    /// Whether a ticket was shown and not a key, as pages in browsers do.
    pub(crate) by_ticket: bool,
}

impl Caller {
    /// Whether a person acts in a browser, as the default session. Its lease is that of a person, who also works
    /// elsewhere: a page that is closed says nothing about that.
    pub(crate) const fn is_person(self) -> bool {
        self.by_ticket && self.session.is_none()
    }

    /// The engineer and the key as a state knows them, if the key is valid at this moment.
    pub(crate) fn identity<'a>(
        self,
        cluster: &dyn Cluster,
        state: &'a State,
    ) -> Result<(&'a Arc<Engineer>, &'a Arc<ApiKey>), Refusal> {
        access::engineer_with_key(state, self.engineer, self.key, cluster.wall())
    }

    /// The session that the request acts as in a project: the one that it names, or the engineer's default session.
    /// None when that does not exist yet: it holds nothing.
    pub(crate) fn acting_session(self, state: &State, project: ProjectId) -> Option<SessionId> {
        self.session.or_else(|| state.session_of(project, self.engineer, None).map(|session| session.id))
    }

    /// The caller as the actor of a command.
    pub(crate) const fn actor(self) -> Actor {
        Actor::Engineer { id: self.engineer, key: self.key }
    }
}

/// Authenticates a request by its API key.
pub(crate) async fn authenticate(
    cluster: &dyn Cluster,
    verifier: &Verifier,
    headers: &HeaderMap,
) -> Result<Caller, ApiError> {
    Ok(authenticate_with_key(cluster, verifier, headers).await?.0)
}

/// Authenticates a request, and also returns the key that it showed.
pub(crate) async fn authenticate_with_key(
    cluster: &dyn Cluster,
    verifier: &Verifier,
    headers: &HeaderMap,
) -> Result<(Caller, ApiKeyText), ApiError> {
    let Some(credentials) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::new(
            Code::Unauthorized,
            "no API key: send it as `Authorization: Bearer nexus_eng_…`; POST /api/auth/register makes one",
        ));
    };
    let unknown =
        || ApiError::new(Code::InvalidApiKey, "the API key is malformed, unknown, revoked or expired");
    let key = ApiKeyText::shown(credentials).ok_or_else(unknown)?;
    let local = cluster.local();
    let mut found = verifier.find_key(local.state(), &key).await;
    if found.is_none() {
        // The key may have been made through another node just now.
        let seen = cluster.read(Consistency::Linearizable, None).await?;
        found = verifier.find_key(seen.view.state(), &key).await;
    }
    let found = found.filter(|key| !key.is_expired(cluster.wall())).ok_or_else(unknown)?;
    let session = session_header(headers)?;
    Ok((Caller { engineer: found.engineer, key: found.id, session, by_ticket: false }, key))
}

/// The session in the header `X-Nexus-Session`, if any.
pub(crate) fn session_header(headers: &HeaderMap) -> Result<Option<SessionId>, ApiError> {
    let Some(value) = headers.get(names::SESSION) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse::<Uuid>().ok());
    match id {
        Some(id) => Ok(Some(SessionId(id))),
        None => Err(ApiError::field("X-Nexus-Session", "must be a UUID")),
    }
}
