//! Sends requests and probes to other nodes, and makes the connections that Raft uses. It never retries, and never
//! waits longer than the caller allows.

use super::{
    control::{ControlRequest, ControlResponse},
    error::{Cause, PeerError},
    frame::FrameError,
    greet::{Connected, connect},
    hello::{Purpose, Welcome},
    identity::SharedIdentity,
    limits::MAX_LINKS,
    link::Link,
    service::{ServiceRequest, ServiceResponse},
    target::PeerTarget,
    wire::Dial,
};
use nexus_api::traces::TraceContext;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Sends requests to other nodes. Clones share their connections.
#[derive(Clone)]
pub struct PeerClient(Arc<Shared>);

struct Shared {
    dial: Arc<dyn Dial>,
    identity: SharedIdentity,
    links: Mutex<HashMap<PeerTarget, Link>>,
}

impl PeerClient {
    /// A client that dials with `dial` and introduces itself as `identity`.
    pub fn new(dial: impl Dial, identity: SharedIdentity) -> Self {
        Self(Arc::new(Shared { dial: Arc::new(dial), identity, links: Mutex::default() }))
    }

    /// Sends a request beyond Raft to `target`, and waits for the answer for at most `within`.
    ///
    /// # Errors
    /// [`PeerError::NotSent`] when the request certainly had no effect, [`PeerError::Unknown`] when it may have had
    /// one.
    pub async fn request(
        &self,
        target: &PeerTarget,
        request: ServiceRequest,
        within: Duration,
    ) -> Result<ServiceResponse, PeerError> {
        self.request_in(None, target, request, within).await
    }

    /// Sends a request beyond Raft that belongs to a trace, if there is one. The peer has to know of traces.
    ///
    /// # Errors
    /// As of [`PeerClient::request`].
    pub async fn request_in(
        &self,
        trace: Option<TraceContext>,
        target: &PeerTarget,
        request: ServiceRequest,
        within: Duration,
    ) -> Result<ServiceResponse, PeerError> {
        let request = match trace {
            Some(context) => ControlRequest::Traced(context, request),
            None => ControlRequest::Service(request),
        };
        match self.call(target, request, within).await? {
            ControlResponse::Service(response) => Ok(response),
            other => Err(unexpected_response(&other)),
        }
    }

    /// Asks which node answers at `addr`, and waits for at most `within`.
    ///
    /// # Errors
    /// When no peer answers, or one of another cluster or protocol. The error is always [`PeerError::NotSent`].
    pub async fn probe(&self, addr: &str, within: Duration) -> Result<Welcome, PeerError> {
        let local = self.0.identity.borrow().clone();
        let probing = connect(&*self.0.dial, addr, &local, Purpose::Probe, None);
        let answered = timeout(within, probing).await.unwrap_or(Err(Cause::Deadline));
        answered.map(|connected| connected.welcome).map_err(PeerError::NotSent)
    }

    /// Sends a control request.
    pub(super) async fn call(
        &self,
        target: &PeerTarget,
        request: ControlRequest,
        within: Duration,
    ) -> Result<ControlResponse, PeerError> {
        let deadline = Instant::now() + within;
        self.link(target)?.call(request, deadline).await
    }

    /// Opens a separate connection, after its handshake.
    pub(super) async fn connect(&self, target: &PeerTarget, purpose: Purpose) -> Result<Connected, Cause> {
        let local = self.0.identity.borrow().clone();
        connect(&*self.0.dial, &target.addr, &local, purpose, target.expected).await
    }

    fn link(&self, target: &PeerTarget) -> Result<Link, PeerError> {
        let mut links = self.0.links.lock().expect("no thread panics while it holds the map");
        if let Some(link) = links.get(target)
            && !link.is_closed()
        {
            return Ok(link.clone());
        }
        links.retain(|_, link| !link.is_closed());
        if links.len() >= MAX_LINKS {
            return Err(PeerError::NotSent(Cause::Busy));
        }
        let link = Link::new(target.clone(), Arc::clone(&self.0.dial), self.0.identity.clone());
        links.insert(target.clone(), link.clone());
        Ok(link)
    }
}

/// The error when a peer sent the answer to another kind of request.
pub(super) fn unexpected_response(response: &ControlResponse) -> PeerError {
    let error = FrameError::Garbled(format!("an answer to something else: {response:?}"));
    PeerError::Unknown(error.into())
}
