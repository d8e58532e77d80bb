//! The HTTP client for the collector. Spans are collected by a thread without a runtime, so that the requests run on
//! the node's own.

use anyhow::Context;
use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Longest wait for the collector: as long as the specification proposes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the requests of the exporter on a runtime.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    pub(super) fn new(runtime: &Handle) -> anyhow::Result<Self> {
        // No redirects: what the spans say would go where nobody has sent it.
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = http.build().context("cannot set up the client for --otlp-endpoint")?;
        Ok(Self { http, runtime: runtime.clone() })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move { http.execute(request).await });
        let answer = sending.await??;
        // The body would say only which spans the collector refused, and can be of any length.
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}
