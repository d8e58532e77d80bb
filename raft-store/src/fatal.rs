//! The one way in which the store stops: the first failure is kept, told to whoever watches, and
//! given to everything that is asked for later. Never taken back.

use crate::error::StoreError;
use tokio::sync::watch;

/// Raises and shows the failure that stopped the store.
#[derive(Clone, Debug)]
pub(crate) struct Fatal(watch::Sender<Option<StoreError>>);

impl Fatal {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Stops the store, unless it has stopped before; gives the error back for the caller's answer.
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

    /// Refuses once the store has stopped.
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
