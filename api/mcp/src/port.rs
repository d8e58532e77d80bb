//! How the tools reach a project.

use futures::future::BoxFuture;
use nexus_api_types::ErrorBody;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::any::Any;
use uuid::Uuid;

/// Sends requests to the project that an agent works in, as that agent.
pub trait Port: Send + Sync + 'static {
    /// Sends a request; gives what stands in `data` of the answer.
    ///
    /// # Errors
    /// What the cluster refuses, or why none could be asked.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Value, Failure>>;

    /// The session that the agent acts as; none when it acts as its engineer.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn session(&self) -> BoxFuture<'_, Result<Option<Uuid>, Failure>>;

    /// Waits until one more tool may run. It may do so until what is given is dropped.
    ///
    /// # Errors
    /// When too many run already.
    fn turn(&self) -> BoxFuture<'_, Result<Turn, Failure>> {
        Box::pin(std::future::ready(Ok(Turn::new(()))))
    }
}

/// The turn of a tool, until it is dropped.
pub struct Turn(#[allow(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>);

impl Turn {
    /// With what is given back when it is over.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

/// A request of the REST contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// Beneath the project, such as `/features/billing/pick`.
    pub path: String,
    /// Items of a list, at most; as many as the server likes when nothing is said.
    pub limit: Option<usize>,
    /// Body.
    pub body: Option<Value>,
    /// What it means for the agent's session.
    pub part: Part,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Writes.
    Post,
    /// Takes away.
    Delete,
}

/// What a request means for the session of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It looks on: with the session that there is, or none.
    Looks,
    /// It works: a session is begun if there is none, and kept alive while it holds something.
    Works,
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The cluster says no.
    Refused(Box<ErrorBody>),
    /// It could not be asked, in words for the agent.
    Other(String),
}

impl Request {
    /// Reads.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), limit: None, body: None, part: Part::Looks }
    }

    /// Writes.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self { method: Method::Post, path: path.into(), limit: None, body: None, part: Part::Works }
    }

    /// Takes away.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::Delete, path: path.into(), limit: None, body: None, part: Part::Works }
    }

    /// With this body.
    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("types of the wire are JSON"));
        self
    }

    /// Of a list only so many items.
    pub(crate) const fn limit(mut self, items: usize) -> Self {
        self.limit = Some(items);
        self
    }

    /// It only looks, although it has a body.
    pub(crate) const fn looks(mut self) -> Self {
        self.part = Part::Looks;
        self
    }
}

/// Bytes of a request's path. The only part of it that an agent chooses is a slug of at most 100 characters, each of
/// which takes 12 bytes when it is no letter and encoded; and no URI may have 64 KiB.
const MAX_PATH: usize = 2_048;

/// Sends a request and reads the answer.
///
/// # Errors
/// What the cluster refuses, or why none could be asked, or that the answer was not understood.
pub(crate) async fn ask<T: DeserializeOwned>(port: &dyn Port, request: Request) -> Result<T, Failure> {
    if request.path.len() > MAX_PATH {
        return Err(Failure::Other(
            "no feature has so long a name: a slug has at most 100 characters".to_owned(),
        ));
    }
    let path = request.path.clone();
    serde_json::from_value(port.send(request).await?).map_err(|error| {
        Failure::Other(format!("the server's answer to {path} is not understood: {error}. It may be newer."))
    })
}
