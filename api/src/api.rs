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
use std::{num::NonZeroU32, sync::Arc};

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

/// What all handlers share; cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) mint: Arc<dyn Mint>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) slots: Arc<tokio::sync::Semaphore>,
}

impl Api {
    /// The API of a node.
    pub fn new(cluster: Arc<dyn Cluster>, mint: Arc<dyn Mint>, config: ApiConfig) -> Self {
        Self {
            cluster,
            mint,
            verifier: Arc::new(Verifier::default()),
            metrics: Arc::new(Metrics::default()),
            limits: Arc::new(Limits::new(config.rate_limit)),
            config: Arc::new(config),
            slots: Arc::new(tokio::sync::Semaphore::new(MAX_IN_FLIGHT)),
        }
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
