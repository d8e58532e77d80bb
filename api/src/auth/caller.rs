//! The engineer behind a request.

use super::key::ApiKeyText;
use crate::{api::Api, cluster::Consistency, failure::ApiError};
use axum::http::{HeaderMap, header};
use nexus_api_types::{Code, header as names};
use nexus_domain::{Actor, EngineerId, SessionId, ids::KeyId};
use uuid::Uuid;

/// Who asks, with which key, as which session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) engineer: EngineerId,
    pub(crate) key: KeyId,
    pub(crate) session: Option<SessionId>,
}

impl Caller {
    /// The caller as the state machine knows it.
    pub(crate) const fn actor(self) -> Actor {
        Actor::Engineer { id: self.engineer, key: self.key }
    }
}

/// Finds out who asks.
pub(crate) async fn authenticate(api: &Api, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::new(
            Code::Unauthorized,
            "no API key: send it as `Authorization: Bearer nexus_eng_…`; POST /api/auth/register makes one",
        ));
    };
    let unknown =
        || ApiError::new(Code::InvalidApiKey, "the API key is malformed, unknown, revoked or expired");
    let text = value.to_str().map_err(|_| unknown())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unknown());
    }
    let key = ApiKeyText::parse(key.trim()).ok_or_else(unknown)?;
    let local = api.cluster.local();
    let mut found = api.verifier.recognise(local.state(), &key).await;
    if found.is_none() {
        // It may have been made through another node a moment ago.
        let seen = api.cluster.read(Consistency::Linearizable, None).await?;
        found = api.verifier.recognise(seen.view.state(), &key).await;
    }
    let found = found.ok_or_else(unknown)?;
    let session = session_header(headers)?;
    Ok(Caller { engineer: found.engineer, key: found.id, session })
}

/// The SHA-256 of the key that a request came with; none without a well-formed one.
pub(crate) fn key_digest(headers: &HeaderMap) -> Option<[u8; 32]> {
    let (_, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(ApiKeyText::parse(key.trim())?.digest())
}

/// The session that the request names.
pub(crate) fn session_header(headers: &HeaderMap) -> Result<Option<SessionId>, ApiError> {
    let Some(value) = headers.get(names::SESSION) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse::<Uuid>().ok());
    match id {
        Some(id) => Ok(Some(SessionId(id))),
        None => Err(ApiError::field("X-Nexus-Session", "must be a UUID")),
    }
}
