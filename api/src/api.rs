//! The state that all handlers share. Its parts do not know it: what needs the whole stands above.

use crate::{
    auth::Verifier,
    background::Background,
    bodies::Bodies,
    cluster::Cluster,
    compute::LongReads,
    concurrency::{ConcurrencyLimits, MAX_HEARTBEATS, MAX_IN_FLIGHT, MAX_WAITING_POLLS},
    config::ApiConfig,
    draining::Drain,
    events::Hub,
    metrics::{Load, Metrics},
    mint::Mint,
    rate_limits::RateLimits,
    response_memory::ResponseMemory,
};
use std::{ops::Deref, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Backups that one node sends at once. Each holds the file of a snapshot, even after its deletion.
const MAX_BACKUPS: usize = 4;
/// WebSockets get this long to close when the node stops. A client that reads receives the close frame at once.
const DRAIN: Duration = Duration::from_secs(1);

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
    pub(crate) bodies: Bodies,
    pub(crate) backups: Arc<Semaphore>,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) hub: Hub,
    pub(crate) drain: Drain,
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
        let drain = Drain::new();
        let sockets = Arc::new(Semaphore::new(config.max_sockets as usize));
        let (background, socket_threads) = (Background::new("nexus-reads"), Background::new("nexus-sockets"));
        Self(Arc::new(Shared {
            hub: Hub::new(cluster.clone(), drain.signal(), socket_threads.handle().clone()),
            socket_threads,
            cluster,
            mint,
            verifier: Verifier::new(background.handle().clone()),
            long_reads: LongReads::new(background.handle().clone()),
            background,
            metrics: Metrics::default(),
            rate_limits: RateLimits::new(config.rate_limit),
            concurrency: ConcurrencyLimits::new(config.max_sockets),
            response_memory: ResponseMemory::default(),
            config,
            handler_permits: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            heartbeats: Semaphore::new(MAX_HEARTBEATS),
            polls: Semaphore::new(MAX_WAITING_POLLS),
            expensive_writes: Arc::new(Semaphore::new(1)),
            bodies: Bodies::default(),
            backups: Arc::new(Semaphore::new(MAX_BACKUPS)),
            sockets,
            drain,
        }))
    }

    /// Closes all long polls and WebSockets, because the node stops. Returns the number of WebSockets that are still
    /// open after [`DRAIN`].
    pub async fn drain(&self) -> usize {
        self.drain.begin();
        let all = self.sockets.acquire_many(self.config.max_sockets);
        match tokio::time::timeout(DRAIN, all).await {
            Ok(_) => 0,
            Err(_) => self.config.max_sockets as usize - self.sockets.available_permits(),
        }
    }

    /// Counts the requests and the memory that this API holds now, for metrics.
    pub(crate) fn load(&self) -> Load {
        let taken = |of: &Semaphore, most: usize| most.saturating_sub(of.available_permits()) as u64;
        Load {
            queues: vec![
                ("requests", taken(&self.handler_permits, MAX_IN_FLIGHT)),
                ("heartbeats", taken(&self.heartbeats, MAX_HEARTBEATS)),
                ("expensive_writes", taken(&self.expensive_writes, 1)),
                ("backups", taken(&self.backups, MAX_BACKUPS)),
            ],
            reserved_bytes: vec![
                ("bodies", self.bodies.reserved() as u64),
                ("answers", self.response_memory.bytes() as u64),
            ],
        }
    }

    /// The state, for tests that change a limit before they share it.
    #[cfg(test)]
    pub(crate) fn shared_mut(&mut self) -> Option<&mut Shared> {
        Arc::get_mut(&mut self.0)
    }
}
