//! The interface through which the tools reach a project.

use futures::future::BoxFuture;
use nexus_api_types::{ErrorBody, feature::Feature};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::any::Any;
use uuid::Uuid;

/// Sends requests to the project that an agent works in, as that agent.
pub trait Port: Send + Sync + 'static {
    /// Sends a request, and returns the `data` of the answer.
    ///
    /// # Errors
    /// The refusal of the cluster, or why no server could be reached.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Value, Failure>>;

    /// The session that the agent acts as: its own one, or else the default session of its engineer. None when that one
    /// does not exist yet, and so holds nothing.
    ///
    /// # Errors
    /// The errors of [`Self::send`].
    fn session(&self) -> BoxFuture<'_, Result<Option<Uuid>, Failure>>;

    /// Waits for the permit to run one more tool.
    ///
    /// # Errors
    /// When too many tools run already.
    fn tool_permit(&self) -> BoxFuture<'_, Result<ToolPermit, Failure>> {
        Box::pin(std::future::ready(Ok(ToolPermit::new(()))))
    }
}

/// The permit of a running tool, which is released on drop.
pub struct ToolPermit(#[allow(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>);

impl ToolPermit {
    /// A permit that holds this value until the tool has run.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

/// A request of the REST contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path below the project, such as `/features/billing/pick`.
    pub path: String,
    /// The most items of a list; none for the server's default.
    pub limit: Option<usize>,
    /// The JSON body.
    pub body: Option<Value>,
    /// Whether the request needs a session of the agent.
    pub session: SessionUse,
}

/// The HTTP method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads, without changing anything.
    Get,
    /// Changes or adds something.
    Post,
    /// Deletes what the path names.
    Delete,
}

/// Whether a request needs a session of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionUse {
    /// It acts as the agent's session if there is one, and starts none.
    IfAny,
    /// It starts a session if there is none, which is then kept alive while it holds something.
    Required,
}

/// Why a request failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The cluster refused it.
    Refused(Box<ErrorBody>),
    /// The cluster could not be asked. The text is for the agent.
    Other(String),
}

impl Request {
    /// A request that reads.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), limit: None, body: None, session: SessionUse::IfAny }
    }

    /// A request that changes something, as the agent's session.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self {
            method: Method::Post,
            path: path.into(),
            limit: None,
            body: None,
            session: SessionUse::Required,
        }
    }

    /// A request that deletes something, as the agent's session.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::Delete,
            path: path.into(),
            limit: None,
            body: None,
            session: SessionUse::Required,
        }
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("types of the wire are JSON"));
        self
    }

    /// Limits the items of a list.
    pub(crate) const fn limit(mut self, items: usize) -> Self {
        self.limit = Some(items);
        self
    }

    /// Lets the request act without a session, although it changes something.
    pub(crate) const fn with_session_if_any(mut self) -> Self {
        self.session = SessionUse::IfAny;
        self
    }
}

/// Bytes of a request's path. The only part of it that an agent chooses is a slug of at most 100 characters, each of
/// which takes 12 bytes when it is no letter and encoded; and no URI may have 64 KiB.
const MAX_PATH: usize = 2_048;

/// Sends a request and reads the answer.
///
/// # Errors
/// The refusal of the cluster, why no server could be reached, or that the answer was not understood.
pub(crate) async fn ask<T: DeserializeOwned>(port: &dyn Port, request: Request) -> Result<T, Failure> {
    if request.path.len() > MAX_PATH {
        return Err(Failure::Other(
            "there is no such feature: a slug has at most 100 characters\nNext: status and available list the features"
                .to_owned(),
        ));
    }
    let path = request.path.clone();
    serde_json::from_value(port.send(request).await?).map_err(|error| {
        Failure::Other(format!(
            "the server's answer to {path} is not understood: {error}\nNext: ask an engineer to compare the versions: \
             nexus --version and nexus cluster status"
        ))
    })
}

/// A feature by its slug, or by what else the REST contract takes for it.
///
/// # Errors
/// The errors of [`ask`].
pub(crate) async fn feature(port: &dyn Port, named: &str) -> Result<Feature, Failure> {
    ask(port, Request::get(format!("/features/{}", segment(named)))).await
}

/// Encodes a text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}
