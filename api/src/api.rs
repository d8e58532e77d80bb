//! The state that all handlers share, and the limits of the API.

use crate::{
    auth::Verifier,
    background::Background,
    cluster::{Cluster, SharedView},
    compute::LongReads,
    concurrency::ConcurrencyLimits,
    events::{Hub, MAX_SOCKETS},
    failure::ApiError,
    metrics::Metrics,
    mint::Mint,
    rate_limits::RateLimits,
    response_memory::ResponseMemory,
    write::Done,
};
use nexus_api_types::Code;
use nexus_domain::{Document, DocumentKey, Millis, Reply};
use std::{num::NonZeroU32, ops::Deref, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};

/// The settings of the API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Whether `/metrics` answers programs on this machine without a key. For a loopback listener.
    pub open_metrics: bool,
    /// Host names by which clients reach this node, beside its addresses and `localhost`; `*` allows any.
    pub allowed_hosts: Vec<String>,
    /// Origins of browser pages that may call the API; empty allows only the node's own pages.
    pub allowed_origins: Vec<String>,
    /// Requests per second of one key to this node; none for no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Whether the client's address is the last one in `X-Forwarded-For`. Only behind a proxy that sets it.
    pub trust_proxy: bool,
    /// A WebSocket whose client takes nothing for this long is closed. The client may resume.
    pub slow_consumer: Duration,
    /// WebSockets at once, at most [`MAX_SOCKETS`].
    pub max_sockets: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            open_metrics: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            rate_limit: None,
            trust_proxy: false,
            // Long enough for lost packets to be sent again, and short enough to free the memory of a stalled client.
            slow_consumer: Duration::from_secs(5),
            max_sockets: MAX_SOCKETS,
        }
    }
}

/// Requests handled at once on one node; further ones are refused, since each holds memory.
pub(crate) const MAX_IN_FLIGHT: usize = 4_096;
/// Heartbeats handled at once on one node. They are limited apart from other requests, which must not make agents lose
/// their claims. As many as a node has connections: each waits for the next batch only.
pub(crate) const MAX_HEARTBEATS: usize = 8_192;
/// Long polls at once on one node. They are limited apart from other requests, which take little time.
pub(crate) const MAX_WAITING_POLLS: usize = 1_024;
/// Backups that one node sends at once. Each holds the file of a snapshot, even after its deletion.
const MAX_BACKUPS: usize = 4;
/// Largest body of a request with a key, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// A body of more bytes is parsed on the threads of reads: it may have thousands of paths, which the answer lists
/// again.
pub(crate) const LARGE_BODY: u64 = 64 * 1024;
/// Largest body of a request without a key, in bytes: it has names and addresses only.
pub(crate) const MAX_OPEN_BODY: usize = 16 * 1024;
/// Bytes of all bodies at once, beyond the first [`MAX_OPEN_BODY`] of each, which is all that most bodies have.
pub(crate) const MAX_BODIES: usize = 64 * 1024 * 1024;
/// WebSockets get this long to close when the node stops. A client that reads receives the close frame at once.
const DRAIN: Duration = Duration::from_secs(1);
/// Default validity of a join token.
pub(crate) const JOIN_TOKEN_TTL: Millis = Millis::from_secs(3600);

/// The state that all handlers share. It is a single pointer, since it is cloned several times per request.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

/// The state behind an [`Api`].
pub struct Shared {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) mint: Arc<dyn Mint>,
    /// The threads that answer reads and compute long answers.
    pub(crate) background: Background,
    /// The threads of WebSockets. They are apart from reads, since heartbeats come over sockets.
    pub(crate) socket_threads: Background,
    pub(crate) verifier: Verifier,
    pub(crate) metrics: Metrics,
    pub(crate) config: ApiConfig,
    pub(crate) rate_limits: RateLimits,
    pub(crate) concurrency: ConcurrencyLimits,
    pub(crate) response_memory: ResponseMemory,
    pub(crate) handler_permits: Arc<Semaphore>,
    pub(crate) heartbeats: Semaphore,
    pub(crate) polls: Semaphore,
    pub(crate) long_reads: LongReads,
    /// The permit of an expensive write: one at a time.
    pub(crate) expensive_writes: Arc<Semaphore>,
    /// A permit for each byte of all bodies.
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) backups: Arc<Semaphore>,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) hub: Hub,
    draining: watch::Sender<bool>,
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Api {
    /// The API of a node.
    pub fn new(cluster: Arc<dyn Cluster>, mint: Arc<dyn Mint>, config: ApiConfig) -> Self {
        let draining = watch::Sender::new(false);
        let sockets = Arc::new(Semaphore::new(config.max_sockets as usize));
        let (background, socket_threads) = (Background::new("nexus-reads"), Background::new("nexus-sockets"));
        Self(Arc::new(Shared {
            hub: Hub::new(cluster.clone(), Draining(draining.subscribe()), socket_threads.handle().clone()),
            socket_threads,
            cluster,
            mint,
            verifier: Verifier::new(background.handle().clone()),
            background,
            metrics: Metrics::default(),
            rate_limits: RateLimits::new(config.rate_limit),
            concurrency: ConcurrencyLimits::new(config.max_sockets),
            response_memory: ResponseMemory::default(),
            config,
            handler_permits: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            heartbeats: Semaphore::new(MAX_HEARTBEATS),
            polls: Semaphore::new(MAX_WAITING_POLLS),
            long_reads: LongReads::default(),
            expensive_writes: Arc::new(Semaphore::new(1)),
            bodies: Arc::new(Semaphore::new(MAX_BODIES)),
            backups: Arc::new(Semaphore::new(MAX_BACKUPS)),
            sockets,
            draining,
        }))
    }

    /// Closes all long polls and WebSockets, because the node stops. Returns the number of WebSockets that are still
    /// open after [`DRAIN`].
    pub async fn drain(&self) -> usize {
        self.draining.send_replace(true);
        let all = self.sockets.acquire_many(self.config.max_sockets);
        match tokio::time::timeout(DRAIN, all).await {
            Ok(_) => 0,
            Err(_) => self.config.max_sockets as usize - self.sockets.available_permits(),
        }
    }

    /// The state, for tests that change a limit before they share it.
    #[cfg(test)]
    pub(crate) fn shared_mut(&mut self) -> Option<&mut Shared> {
        Arc::get_mut(&mut self.0)
    }

    /// A signal for the time when the node begins to stop.
    pub(crate) fn draining(&self) -> Draining {
        Draining(self.draining.subscribe())
    }

    /// Reads documents for a view.
    pub(crate) async fn documents(
        &self,
        view: &SharedView,
        keys: Vec<DocumentKey>,
    ) -> Result<Vec<Option<Document>>, ApiError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        view.documents(keys).await.map_err(|failure| ApiError::internal(&failure))
    }

    /// Reads the text that a write stored. It never changes, so a retry gets the same.
    pub(crate) async fn written(&self, done: &Done) -> Result<Document, ApiError> {
        let Reply::Text(key) = done.reply else { return Err(done.unexpected()) };
        let text = self.documents(&done.view, vec![key]).await?.pop().flatten();
        // A retry may arrive after the feature or the project was deleted with its texts.
        text.ok_or_else(|| ApiError::new(Code::NotFound, "it was written, and deleted meanwhile"))
    }
}

/// Whether the node has begun to stop.
#[derive(Clone)]
pub(crate) struct Draining(watch::Receiver<bool>);

impl Draining {
    /// Whether the node has begun to stop.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the node begins to stop.
    pub(crate) async fn begun(&mut self) {
        // An error means that the API was dropped, which is a stop too.
        let _ = self.0.wait_for(|draining| *draining).await;
    }
}
