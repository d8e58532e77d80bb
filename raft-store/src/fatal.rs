//! How the store stops: the first failure is kept for ever, is sent to all watchers, and is the result of every later
//! operation.

use crate::error::StoreError;
use tokio::sync::watch;

/// The failure that stopped the store, if one did.
#[derive(Clone, Debug)]
pub(crate) struct Fatal(watch::Sender<Option<StoreError>>);

impl Fatal {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Stops the store, unless it has stopped before. Returns the error for the caller's own result.
    pub(crate) fn raise(&self, error: StoreError) -> StoreError {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                tracing::error!(%error, "the store stops");
                *first = Some(error.clone());
            }
            is_first
        });
        error
    }

    /// Returns an error once the store has stopped.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &*self.0.borrow() {
            None => Ok(()),
            Some(first) => Err(StoreError::Stopped(first.to_string())),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<StoreError>> {
        self.0.subscribe()
    }
}
