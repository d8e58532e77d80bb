//! Reads the body and the identity of a write, and proposes its command.

use crate::{
    api::Api,
    auth::{ApiKeyText, Caller, authenticate_with_key, derive_secret},
    bodies::{MAX_BODY, MAX_OPEN_BODY},
    browser,
    cluster::{SharedView, Unavailable, WriteRequest},
    documents,
    failure::ApiError,
    read::Read,
};
use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use nexus_api_types::{
    Code, Data,
    body::{Body, Fields},
    header as names,
};
use nexus_domain::{
    Acting, Actor, Command, Document, Reply, Revision, SessionId,
    reply_cache::{KeyedRequest, ReplyKey},
    short_text::IdempotencyKey,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// Marks a request that takes its handler permit once its body has arrived, so that a slow body holds none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermitAfterBody;

/// The body and the idempotency key of a write, before it is authenticated.
pub(crate) struct Incoming {
    pub(crate) idempotency: Option<IdempotencyKey>,
    fingerprint: u64,
    body: Bytes,
    /// The permit to be handled.
    _permit: Option<OwnedSemaphorePermit>,
    /// The permit for the bytes of the body, for as long as it is in memory.
    _body_permit: Option<OwnedSemaphorePermit>,
}

impl FromRequest<Api> for Incoming {
    type Rejection = ApiError;

    /// Reads the body of a request without a key.
    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        Self::read(request, api, MAX_OPEN_BODY).await
    }
}

/// A read with a body, since what it asks about may be too long for a URL.
pub(crate) struct ReadWithBody {
    pub(crate) read: Read,
    pub(crate) body: Incoming,
}

impl FromRequest<Api> for ReadWithBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let read = Read::from_request_parts(&mut parts, api).await?;
        let body = Incoming::read(Request::from_parts(parts, body), api, MAX_BODY).await?;
        Ok(Self { read, body })
    }
}

impl Incoming {
    /// Reads a body of at most this many bytes.
    ///
    /// # Errors
    /// When the body is longer, does not arrive in time, or is no JSON; and when the node reads too many bodies
    /// already.
    pub(crate) async fn read(request: Request, api: &Api, most: usize) -> Result<Self, ApiError> {
        let idempotency = idempotency_key(request.headers());
        let of = (request.method().clone(), request.uri().clone());
        let media_type = browser::check_media_type(request.headers());
        let permit_after_body = request.extensions().get::<PermitAfterBody>().is_some();
        let (body, body_permit) = api.bodies.read(request.into_body(), most).await?;
        if !body.is_empty() {
            media_type?;
        }
        let permit = permit_after_body.then(|| handler_permit(api)).transpose()?;
        let idempotency = idempotency?;
        // The node's reply slots distinguish requests without a key.
        let fingerprint = idempotency.as_ref().map_or(0, |_| fingerprint(&of.0, of.1.path(), &body));
        Ok(Self { idempotency, fingerprint, body, _permit: permit, _body_permit: body_permit })
    }
}

/// Takes a permit to be handled.
///
/// # Errors
/// 503 when there is none. Nothing was applied.
pub(crate) fn handler_permit(api: &Api) -> Result<OwnedSemaphorePermit, ApiError> {
    let full = |_| Unavailable::NotApplied("too many requests on this node at once".to_owned());
    Ok(api.handler_permits.clone().try_acquire_owned().map_err(full)?)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(value) = headers.get(names::IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::field("Idempotency-Key", "must be visible ASCII"))?;
    IdempotencyKey::parse(text).map(Some).map_err(|problem| ApiError::field("Idempotency-Key", problem))
}

/// A digest of method, path and body: requests under one key are the same if it is equal.
fn fingerprint(method: &Method, path: &str, body: &[u8]) -> u64 {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

impl Incoming {
    /// A write that the node makes for a caller, without a request body.
    pub(crate) fn of_the_node() -> Self {
        Self { idempotency: None, fingerprint: 0, body: Bytes::new(), _permit: None, _body_permit: None }
    }

    /// The fields of the body, for a route that checks some of them before it parses all.
    pub(crate) fn fields(&self) -> Result<Fields, ApiError> {
        Ok(Fields::parse(&self.body)?)
    }

    /// The values of the body.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn body<B: Body>(&self) -> Result<B::Checked, ApiError> {
        Ok(self.fields()?.checked::<B>()?)
    }

    /// The identity of the request under its idempotency key, if it has one.
    pub(crate) fn keyed(&self, actor: Actor) -> Option<KeyedRequest> {
        let engineer = match actor {
            Actor::Engineer { id, .. } => Some(id),
            Actor::Anonymous | Actor::System => None,
        };
        let key = ReplyKey { engineer, key: self.idempotency.clone()? };
        Some(KeyedRequest { key, fingerprint: self.fingerprint })
    }

    /// Proposes a command and waits for its answer.
    pub(crate) async fn propose_as(
        &self,
        api: &Api,
        actor: Actor,
        session: Option<SessionId>,
        command: Command,
    ) -> Result<Done, ApiError> {
        let acting = match session {
            Some(session) => Acting::Session(session),
            None => Acting::Engineer { candidate: SessionId(api.mint.id()) },
        };
        let request = self.keyed(actor);
        let is_pick = matches!(command, Command::PickFeature(_) | Command::PickNext(_));
        let span = tracing::debug_span!("write", command = command.name());
        let write = WriteRequest { command, actor, acting, request };
        let permit = api.expensive_write_permit(&write).await?;
        let cluster = api.cluster.clone();
        let proposed = async move { cluster.propose(write).await }.instrument(span);
        let committed = match permit {
            None => proposed.await?,
            // In a task of its own: when the client disconnects, the entry is still under way, and the permit must stay
            // taken.
            Some(permit) => {
                let proposed = tokio::spawn(async move {
                    let _permit = permit;
                    proposed.await
                });
                proposed.await.map_err(|failure| ApiError::internal(&failure))??
            }
        };
        let revision = committed.answer.revision;
        match committed.answer.into_outcome(committed.view.state()) {
            Ok(reply) => Ok(Done { reply, revision, view: committed.view }),
            Err(refusal) => {
                if is_pick {
                    api.metrics.pick_refused(&refusal);
                }
                Err(ApiError::from(refusal).at(revision))
            }
        }
    }
}

/// An authenticated write.
pub(crate) struct Write {
    pub(crate) caller: Caller,
    pub(crate) incoming: Incoming,
    key: ApiKeyText,
}

impl FromRequest<Api> for Write {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        // Before the body is read: a request without a valid key must not make this node read a megabyte.
        let (caller, key) = authenticate_with_key(&*api.cluster, &api.verifier, request.headers()).await?;
        let incoming = Incoming::read(request, api, MAX_BODY).await?;
        Ok(Self { caller, incoming, key })
    }
}

impl Write {
    /// The values of the body.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn body<B: Body>(&self) -> Result<B::Checked, ApiError> {
        self.incoming.body::<B>()
    }

    /// Refuses a body with fields, on a route that has none.
    pub(crate) fn no_fields(&self) -> Result<(), ApiError> {
        Ok(self.incoming.fields()?.none_left()?)
    }

    /// 256 bits for a secret that only the answer shows. A retry gets the same bits.
    pub(crate) fn secret(&self, api: &Api) -> [u8; 32] {
        match &self.incoming.idempotency {
            Some(key) => derive_secret(&self.key.digest(), self.incoming.fingerprint, key),
            None => api.mint.secret(),
        }
    }

    /// Proposes a command and waits for its answer.
    pub(crate) async fn propose(&self, api: &Api, command: Command) -> Result<Done, ApiError> {
        self.incoming.propose_as(api, self.caller.actor(), self.caller.session, command).await
    }
}

/// The reply to a write that was applied.
pub(crate) struct Done {
    pub(crate) reply: Reply,
    pub(crate) revision: Revision,
    pub(crate) view: SharedView,
}

impl Done {
    /// Wraps the data of an answer, with the revision that it reflects.
    pub(crate) fn answer<T: Serialize>(&self, status: StatusCode, data: T) -> Response {
        let mut response = (status, Json(Data { data })).into_response();
        self.stamp(response.headers_mut());
        response
    }

    /// Sets the header of the revision that the answer reflects.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap) {
        headers.insert(names::REVISION, HeaderValue::from(self.revision.0));
    }

    /// Reads the text that the write stored. It never changes, so a retry gets the same.
    pub(crate) async fn text(&self) -> Result<Document, ApiError> {
        let Reply::Text(key) = self.reply else { return Err(self.unexpected()) };
        let text = documents::read(&self.view, vec![key]).await?.pop().flatten();
        // A retry may arrive after the feature or the project was deleted with its texts.
        text.ok_or_else(|| ApiError::new(Code::NotFound, "it was written, and deleted meanwhile"))
    }

    /// The error for a reply that belongs to another command.
    pub(crate) fn unexpected(&self) -> ApiError {
        ApiError::internal(&format_args!("a command gave a reply of another one: {:?}", self.reply))
    }
}
