//! The headers of a request, and the HTTP request that is made with them. Sends nothing.

use super::request::{ApiKey, Request};
use crate::{error::Error, server::Server};
use nexus_api_types::header as names;
use reqwest::{
    Client, RequestBuilder,
    header::{AUTHORIZATION, HeaderValue},
};
use uuid::Uuid;

/// The headers of a request: the same ones on every attempt, so that all attempts of a write are one write.
pub(super) struct Headers {
    authorization: Option<HeaderValue>,
    session: Option<Uuid>,
    idempotency: Option<Uuid>,
    min_revision: Option<u64>,
}

impl Headers {
    /// The headers of a request, of a command with this API key, this session, and this log index of its last write.
    ///
    /// # Errors
    /// When the request needs an API key, and there is none that can be sent.
    pub(super) fn of(
        request: &Request,
        token: Option<&str>,
        session: Option<Uuid>,
        written: Option<u64>,
    ) -> Result<Self, Error> {
        let key = match &request.key {
            ApiKey::Own => Some(token.ok_or(Error::NotLoggedIn)?),
            ApiKey::Given(key) => Some(key.as_str()),
            ApiKey::None => None,
        };
        Ok(Self {
            authorization: key.map(bearer).transpose()?,
            session: session.filter(|_| key.is_some()),
            idempotency: request.is_write().then(|| request.identity.unwrap_or_else(Uuid::now_v7)),
            min_revision: written.filter(|_| !request.is_write()),
        })
    }

    /// The HTTP request for one server.
    pub(super) fn build(&self, connection: &Client, server: &Server, request: &Request) -> RequestBuilder {
        let mut builder = connection.request(request.method.clone(), server.url(&request.path));
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        if let Some(value) = &self.authorization {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        let rest = [
            (names::SESSION, self.session.map(|id| id.to_string())),
            (names::IDEMPOTENCY_KEY, self.idempotency.map(|key| key.to_string())),
            (names::MIN_REVISION, self.min_revision.map(|revision| revision.to_string())),
        ];
        for (name, value) in rest {
            if let Some(value) = value {
                builder = builder.header(name, value);
            }
        }
        builder
    }
}

/// The value of the header that carries an API key. No log shows it.
fn bearer(key: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| {
        Error::misused("the API key holds characters that no key has")
            .hint("copy it again: nexus_eng_ and 64 characters of 0-9 and a-f")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
