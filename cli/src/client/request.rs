//! Requests to the cluster. They know no server.

use nexus_api_types::Data;
use reqwest::Method;
use serde::{Serialize, de::IgnoredAny};
use serde_json::Value;
use uuid::Uuid;

/// A request, before it is known which server gets it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) key: ApiKey,
    pub(super) has_no_envelope: bool,
    /// The idempotency key, by which the cluster recognises a write that it has applied. Without one, each attempt is
    /// another write.
    pub(super) identity: Option<Uuid>,
    /// Whether its answer is expected to take its time.
    pub(super) is_long_poll: bool,
    /// The reader of the answer's body, if it is not parsed as plain JSON.
    pub(super) reader: Option<Reader>,
}

/// Reads the body of an answer.
pub(super) type Reader = fn(&[u8]) -> serde_json::Result<Value>;

/// The API key that a request carries.
#[derive(Clone, Debug)]
pub(super) enum ApiKey {
    /// The one that the command acts with.
    Own,
    /// No key, for routes that need none.
    None,
    /// Another one, to find out whose it is.
    Given(String),
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            key: ApiKey::Own,
            has_no_envelope: false,
            identity: None,
            is_long_poll: false,
            reader: None,
        }
    }

    /// Reads. `path` is below `/api`, and made only of checked words, ids and numbers.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST to a path below `/api`, with an idempotency key of its own.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A PATCH of a path below `/api`, with an idempotency key of its own.
    pub(crate) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// A DELETE of a path below `/api`, with an idempotency key of its own.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a body, which is sent as JSON.
    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("bodies are made of texts, numbers and lists"));
        self
    }

    /// Adds a query parameter, unless its value is `None`.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Sends no API key: the route needs none, or there is none yet.
    pub(crate) fn anonymous(mut self) -> Self {
        self.key = ApiKey::None;
        self
    }

    /// Takes the whole body of the answer as its data, since routes such as health send no envelope.
    pub(crate) fn without_envelope(mut self) -> Self {
        self.has_no_envelope = true;
        self
    }

    /// Sends this API key instead of the command's own.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = ApiKey::Given(key.to_owned());
        self
    }

    /// Fixes the idempotency key now, so that clones of this request are one write, however often they are sent.
    pub(crate) fn with_fixed_identity(mut self) -> Self {
        self.identity = Some(Uuid::now_v7());
        self
    }

    /// Drops the idempotency key, so that this is another write with the same content.
    pub(crate) fn without_identity(mut self) -> Self {
        self.identity = None;
        self
    }

    /// The request waits for an event, so no message is printed when it takes long.
    pub(crate) fn long_poll(mut self) -> Self {
        self.is_long_poll = true;
        self
    }

    /// The answer stays text until `Answer::parse_text` reads it: a long list is read once, and only as far as a type
    /// has fields for it.
    pub(crate) fn keep_text(mut self) -> Self {
        self.reader = Some(|body| {
            serde_json::from_slice::<Data<IgnoredAny>>(body)?;
            Ok(Value::String(String::from_utf8_lossy(body).into_owned()))
        });
        self
    }

    /// The path below `/api` with its query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the next server is asked before this one has failed. Whoever waits for something to happen is no slower
    /// on another server, and a change of the cluster itself takes its time.
    pub(super) fn may_be_overtaken(&self) -> bool {
        let changes_cluster = self.is_write() && self.path.starts_with("/cluster");
        !self.is_long_poll && !changes_cluster
    }

    pub(super) fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}
