//! What all handlers share.

use crate::{
    auth::Verifier,
    cluster::{Cluster, SharedView},
    failure::ApiError,
    limits::Limits,
    metrics::Metrics,
    mint::Mint,
    write::Done,
};
use nexus_domain::{Document, DocumentKey, Millis, Reply};
use std::{num::NonZeroU32, ops::Deref, sync::Arc};
use tokio::sync::Semaphore;

/// What an operator sets.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Whether `/metrics` answers without a key: on a loopback listener.
    pub open_metrics: bool,
    /// Browsers' pages that may call the API; empty: none but the node's own.
    pub allowed_origins: Vec<String>,
    /// Requests a second that one key may make of this node; none without a limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Whether the last address in `X-Forwarded-For` is the client's: only behind a proxy that sets it.
    pub trust_proxy: bool,
}

/// Requests handled at once on one node; more are turned away, since each holds memory.
pub(crate) const MAX_IN_FLIGHT: usize = 4_096;
/// Bytes of one body.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// How long a join token is valid when nothing is said.
pub(crate) const JOIN_TOKEN_TTL: Millis = Millis::from_secs(3600);

/// What all handlers share. One pointer: it is cloned several times a request.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

/// What stands behind an [`Api`].
pub struct Shared {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) mint: Arc<dyn Mint>,
    pub(crate) verifier: Verifier,
    pub(crate) metrics: Metrics,
    pub(crate) config: ApiConfig,
    pub(crate) limits: Limits,
    pub(crate) slots: Semaphore,
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
        Self(Arc::new(Shared {
            cluster,
            mint,
            verifier: Verifier::default(),
            metrics: Metrics::default(),
            limits: Limits::new(config.rate_limit),
            config,
            slots: Semaphore::new(MAX_IN_FLIGHT),
        }))
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

    /// Reads the text that a write wrote: it is never deleted, so a retry is shown the same.
    pub(crate) async fn written(&self, done: &Done) -> Result<Document, ApiError> {
        let Reply::Text(key) = done.reply else { return Err(done.unexpected()) };
        let text = self.documents(&done.view, vec![key]).await?.pop().flatten();
        text.ok_or_else(|| ApiError::internal(&format_args!("{key:?} was written and is not there")))
    }
}
