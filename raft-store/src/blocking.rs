//! The one place through which async code waits for a device.

use crate::error::StoreError;

/// Runs work that may wait for a device, off the async workers. A storage that never waits has its
/// work done in place, so that a simulation stays deterministic.
///
/// # Errors
/// What the work answers, or that it panicked.
pub(crate) async fn run<T: Send + 'static>(
    may_block: bool,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    if !may_block {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|failed| Err(StoreError::Stopped(format!("storage work ended early: {failed}"))))
}
