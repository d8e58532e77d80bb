//! An HTTP client of one or more nodes, for valid and invalid requests.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use std::time::Duration;

/// The timeout of a request: longer than any deadline of a node.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The timeout of a long download.
const LONG_TIMEOUT: Duration = Duration::from_secs(120);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status of the HTTP answer.
    pub status: StatusCode,
    /// The headers of the HTTP answer.
    pub headers: HeaderMap,
    /// The JSON body; null without one.
    pub body: Value,
}

impl Answer {
    /// The data of a success.
    ///
    /// # Panics
    /// When the answer is an error.
    pub fn data(&self) -> &Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        &self.body["data"]
    }

    /// The error code of a failure; empty for a success.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The error message of a failure; empty for a success.
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The revision of the state that the answer shows.
    pub fn revision(&self) -> u64 {
        let header = self.headers.get("x-nexus-revision").and_then(|value| value.to_str().ok());
        header.and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

/// A client with one API key, as one session, through one node.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
    session: Option<String>,
    idempotency: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client without a key. By `https` it takes any certificate: whether it is the right one is for the tests of the
    /// command line.
    pub fn new(base: impl Into<String>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = base.into();
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
        let http = http.tls_danger_accept_invalid_certs(base.starts_with("https:")).build();
        let http = http.expect("a client without settings can be made");
        Self { http, base, key: None, session: None, idempotency: None, headers: Vec::new() }
    }

    /// The same client through another node.
    pub fn via(&self, base: impl Into<String>) -> Self {
        let base = base.into();
        let is_as_before = base.starts_with("https:") == self.base.starts_with("https:");
        let http = if is_as_before { self.http.clone() } else { Self::new(base.clone()).http };
        Self { http, base, ..self.clone() }
    }

    /// The same client with a key.
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// The same client as a session.
    pub fn acting_as(&self, session: impl Into<String>) -> Self {
        Self { session: Some(session.into()), ..self.clone() }
    }

    /// The same client with one idempotency key for all its requests.
    pub fn under_key(&self, idempotency: impl Into<String>) -> Self {
        Self { idempotency: Some(idempotency.into()), ..self.clone() }
    }

    /// The same client with one more header on all its requests.
    pub fn with_header(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name, value.into()));
        Self { headers, ..self.clone() }
    }

    /// The address of its node.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The API key.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The session it acts as.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Answer> {
        self.send_bare(method, &format!("/api{path}"), body).await
    }

    /// Sends a request to an address as it is, without `/api` in front, and reads the answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send_bare(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(session) = &self.session {
            request = request.header("X-Nexus-Session", session);
        }
        if let Some(key) = &self.idempotency {
            request = request.header("Idempotency-Key", key);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }

    /// Sends a `GET` and returns the answer's head. The caller reads the body.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn open(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let request = self.http.get(format!("{}/api{path}", self.base));
        let key = self.key.as_deref().unwrap_or_default();
        request.timeout(LONG_TIMEOUT).bearer_auth(key).send().await
    }

    /// Sends a `GET`.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await.expect("the node answers")
    }

    /// Sends a `POST`.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&body)).await.expect("the node answers")
    }

    /// Sends a `PATCH`.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(&body)).await.expect("the node answers")
    }

    /// Sends a `DELETE`.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await.expect("the node answers")
    }

    /// Sends a body of bytes as they are.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send_raw(&self, method: Method, path: &str, body: Vec<u8>) -> reqwest::Result<Answer> {
        // On a connection of its own: a wrong request may end the connection.
        let http = Self::new(self.base.clone()).http;
        let mut request = http.request(method, format!("{}/api{path}", self.base)).body(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = request.header("Content-Type", "application/json").send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?;
        Ok(Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }
}
