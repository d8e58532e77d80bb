//! The only place where the node waits for its file system, apart from the store.

use tokio::runtime::{Handle, RuntimeFlavor};

/// The work panicked, or the runtime ends.
#[derive(Debug, thiserror::Error)]
#[error("work on the file system ended early")]
pub(crate) struct EndedEarly;

/// Runs work that may wait for a device on a blocking thread, so that a disk that hangs holds up this caller alone. On
/// a runtime with one thread the work runs in place: a simulation stays deterministic that way.
///
/// # Errors
/// When the work panics, or the runtime ends before it.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EndedEarly> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| EndedEarly)
}
