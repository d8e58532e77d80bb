//! A published state and its documents, as the API reads them.

use futures::future::{BoxFuture, FutureExt};
use nexus_api::cluster::{SharedView, StorageFailure, View};
use nexus_domain::{Document, DocumentKey, Revision, State};
use nexus_raft_store::{Published, StoreHandle};
use std::{ops::RangeInclusive, sync::Arc};

/// One published state, and the store of its documents.
pub(crate) struct StoreView {
    published: Arc<Published>,
    store: StoreHandle,
}

impl StoreView {
    /// A view that tasks can share.
    pub(crate) fn shared(published: Arc<Published>, store: &StoreHandle) -> SharedView {
        Arc::new(Self { published, store: store.clone() })
    }
}

impl View for StoreView {
    fn state(&self) -> &State {
        &self.published.state
    }

    fn revision(&self) -> Revision {
        self.published.revision()
    }

    fn state_hash(&self) -> u64 {
        self.published.hash()
    }

    fn documents(
        &self,
        keys: Vec<DocumentKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<Document>>, StorageFailure>> {
        async move { self.store.documents_at(keys).await.map_err(|error| StorageFailure(error.to_string())) }
            .boxed()
    }

    fn newest(
        &self,
        range: RangeInclusive<DocumentKey>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(DocumentKey, Document)>, StorageFailure>> {
        async move {
            self.store.documents(range, limit).await.map_err(|error| StorageFailure(error.to_string()))
        }
        .boxed()
    }
}
