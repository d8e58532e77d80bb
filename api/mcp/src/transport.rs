//! Carries messages over stdin and stdout, or as HTTP requests. Only this module uses the generic code of the
//! protocol's library, so that it is compiled once, and not again in each program that serves.

use crate::Server;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use rmcp::{
    ServiceExt,
    transport::{
        stdio,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
        },
    },
};
use std::{convert::Infallible, error::Error, sync::Arc};

/// The body of an HTTP request, of any server's type.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Limits of the HTTP requests that are accepted.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Bytes of a request's body, at most.
    pub body_bytes: usize,
    /// Origins of web pages that may send requests. A request without an origin does not come from a web page.
    pub allowed_origins: Vec<String>,
}

/// Answers one HTTP request. Keeps no state for the next one.
pub fn answer(
    server: Server,
    limits: HttpLimits,
    request: http::Request<RequestBody>,
) -> BoxFuture<'static, http::Response<BoxBody<Bytes, Infallible>>> {
    Box::pin(async move {
        // Every request needs an API key, which a foreign web page does not have, so host names need no check.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(limits.body_bytes)
            .with_allowed_origins(limits.allowed_origins)
            .enforce_origin_validation()
            .disable_allowed_hosts();
        let sessions = Arc::new(NeverSessionManager::default());
        StreamableHttpService::new(move || Ok(server.clone()), sessions, config).handle(request).await
    })
}

/// Serves one client over stdin and stdout, until that ends.
///
/// # Errors
/// When no client answers, or the connection fails. The error is a text for people.
pub fn serve_stdio(server: Server) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let served = server
            .serve(stdio())
            .await
            .map_err(|error| format!("no agent host answers on standard input: {error}"))?;
        served
            .waiting()
            .await
            .map(drop)
            .map_err(|error| format!("the connection to the agent host broke: {error}"))
    })
}
