//! How many connections of each kind there may be. Counts; decides nothing else.

use crate::peer::{
    hello::Purpose,
    limits::{
        MAX_APPEND_CONNECTIONS, MAX_CONTROL_CONNECTIONS, MAX_SNAPSHOT_CONNECTIONS, MAX_UNGREETED_CONNECTIONS,
    },
};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection's place; free again when dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// The places of one server. Clones are the same places.
#[derive(Clone)]
pub(super) struct Places {
    ungreeted: Arc<Semaphore>,
    append: Arc<Semaphore>,
    control: Arc<Semaphore>,
    snapshot: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        let [ungreeted, append, control, snapshot] = [
            MAX_UNGREETED_CONNECTIONS,
            MAX_APPEND_CONNECTIONS,
            MAX_CONTROL_CONNECTIONS,
            MAX_SNAPSHOT_CONNECTIONS,
        ]
        .map(|most| Arc::new(Semaphore::new(most)));
        Self { ungreeted, append, control, snapshot }
    }
}

impl Places {
    /// A place for a connection that has said nothing yet; none when all are taken.
    pub(super) fn ungreeted(&self) -> Option<Place> {
        Arc::clone(&self.ungreeted).try_acquire_owned().ok()
    }

    /// A place for a connection of this purpose; none when all are taken. A probe is over at once, and
    /// its place while it is greeted is enough: it gets one of those again.
    pub(super) fn of(&self, purpose: Purpose) -> Option<Place> {
        let places = match purpose {
            Purpose::Probe => &self.ungreeted,
            Purpose::Append => &self.append,
            Purpose::Control => &self.control,
            Purpose::Snapshot => &self.snapshot,
        };
        Arc::clone(places).try_acquire_owned().ok()
    }
}
