//! The signal that the node begins to stop.

use tokio::sync::watch;

/// Sends the signal.
pub(crate) struct Drain(watch::Sender<bool>);

impl Drain {
    /// A node that has not begun to stop.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Says that the node begins to stop.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Receives the signal.
    pub(crate) fn signal(&self) -> Draining {
        Draining(self.0.subscribe())
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
