//! What all handlers share.

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

/// What an operator sets.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Whether `/metrics` answers programs of this machine without a key: on a loopback listener.
    pub open_metrics: bool,
    /// Names by which clients reach this node, beside its addresses and `localhost`; `*` is any.
    pub allowed_hosts: Vec<String>,
    /// Browsers' pages that may call the API; empty: none but the node's own.
    pub allowed_origins: Vec<String>,
    /// Requests a second that one key may make of this node; none without a limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Whether the last address in `X-Forwarded-For` is the client's: only behind a proxy that sets it.
    pub trust_proxy: bool,
    /// A follower of events that takes nothing for this long is closed, and may resume.
    pub slow_consumer: Duration,
    /// WebSockets open at once, at most [`MAX_SOCKETS`].
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
            // Lost packets are sent again within it; nobody's memory is held for longer.
            slow_consumer: Duration::from_secs(5),
            max_sockets: MAX_SOCKETS,
        }
    }
}

/// Requests handled at once on one node; more are turned away, since each holds memory.
pub(crate) const MAX_IN_FLIGHT: usize = 4_096;
/// Signs of life handled at once on one node: apart from other requests, which must not make agents lose what
/// they hold. As many as a node has connections: each waits for the next batch only.
pub(crate) const MAX_HEARTBEATS: usize = 8_192;
/// Long polls waiting at once on one node: apart from other requests, which take no time.
pub(crate) const MAX_WAITING_POLLS: usize = 1_024;
/// Backups being sent at once by one node: each holds a file, which may be deleted by then.
const MAX_BACKUPS: usize = 4;
/// Bytes of one body.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// Bytes of a body from which on understanding it is work: some thousand paths, which the answer then lists again.
pub(crate) const LARGE_BODY: u64 = 64 * 1024;
/// Bytes of a body of somebody who shows no key: names and addresses are all that is in it.
pub(crate) const MAX_OPEN_BODY: usize = 16 * 1024;
/// Bytes of bodies that are being read at once, beyond the first [`MAX_OPEN_BODY`] of each, which is all that most
/// have.
pub(crate) const MAX_BODIES: usize = 64 * 1024 * 1024;
/// Followers of events are given this long to go when the node stops: one that reads is told to go at once.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a join token is valid when nothing is said.
pub(crate) const JOIN_TOKEN_TTL: Millis = Millis::from_secs(3600);

/// What all handlers share. One pointer: it is cloned several times a request.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

/// What stands behind an [`Api`].
pub struct Shared {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) mint: Arc<dyn Mint>,
    /// Where reads are answered, and what is long is computed.
    pub(crate) background: Background,
    /// Where sockets live: apart from reads, since their clients show over them that they live.
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
    /// The turn of a write that is much work: one at a time.
    pub(crate) expensive_writes: Arc<Semaphore>,
    /// A permit for each byte.
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

    /// Sends everybody away who waits for events, because the node stops. Returns once they are gone, or after a second
    /// or two; then with how many sockets are still open.
    pub async fn drain(&self) -> usize {
        self.draining.send_replace(true);
        let all = self.sockets.acquire_many(self.config.max_sockets);
        match tokio::time::timeout(DRAIN, all).await {
            Ok(_) => 0,
            Err(_) => self.config.max_sockets as usize - self.sockets.available_permits(),
        }
    }

    /// Tells when the node begins to stop.
    pub(crate) fn draining(&self) -> Draining {
        Draining(self.draining.subscribe())
    }

    /// Reads documents beside a view.
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

    /// Reads the text that a write wrote: it never changes, so a retry is shown the same.
    pub(crate) async fn written(&self, done: &Done) -> Result<Document, ApiError> {
        let Reply::Text(key) = done.reply else { return Err(done.unexpected()) };
        let text = self.documents(&done.view, vec![key]).await?.pop().flatten();
        // A retry may come after the feature or the project was deleted with its texts.
        text.ok_or_else(|| ApiError::new(Code::NotFound, "it was written, and deleted meanwhile"))
    }
}

/// Whether the node has begun to stop.
#[derive(Clone)]
pub(crate) struct Draining(watch::Receiver<bool>);

impl Draining {
    /// Whether it has.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it has.
    pub(crate) async fn begun(&mut self) {
        // An error means that the API is gone, which is an end too.
        let _ = self.0.wait_for(|draining| *draining).await;
    }
}
