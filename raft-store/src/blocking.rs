//! The only place where async code waits for a device.

use crate::error::StoreError;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tokio::{
    runtime::{self, Handle},
    sync::Semaphore,
};

/// Runs work that may wait for a device on a blocking thread. The work of a storage that never waits runs in place, so
/// that a simulation stays deterministic.
///
/// # Errors
/// The error of the work, or [`StoreError::Stopped`] if it panicked.
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

/// The least number of reads of one runtime that run or wait for one of its blocking threads. A read whose caller gave
/// up runs to its end nevertheless. So no read ever waits for more than this many abandoned ones, of some 10 ms each.
const LEAST_QUEUED: usize = 8;

/// Bounds the reads that run at once in each runtime. The runtimes of a process have blocking threads of their own, and
/// do not wait for each other.
pub(crate) struct ReadQueue {
    of: Mutex<HashMap<runtime::Id, Arc<Semaphore>>>,
    most: usize,
}

impl Default for ReadQueue {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // A pool has one thread for each core; as many reads again keep every thread busy.
        Self::new(LEAST_QUEUED.max(2 * cores))
    }
}

impl ReadQueue {
    fn new(most: usize) -> Self {
        Self { of: Mutex::default(), most }
    }

    /// Runs a read, as [`run`] does, after it has waited for a permit. A caller that gives up while it waits leaves
    /// nothing behind.
    ///
    /// # Errors
    /// The same as [`run`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        may_block: bool,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if !may_block {
            return work();
        }
        let permit = self.of_this_runtime().acquire_owned().await.expect("the queue is never closed");
        run(true, move || {
            // The permit ends with the work, whether or not its caller still waits.
            let _permit = permit;
            work()
        })
        .await
    }

    fn of_this_runtime(&self) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.entry(Handle::current().id()).or_insert_with(|| Arc::new(Semaphore::new(self.most))).clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_read_whose_caller_gave_up_keeps_its_place_until_it_is_done() {
        const PLACES: usize = 2;
        let queue = ReadQueue::new(PLACES);
        let mut held = Vec::new();
        for _ in 0..PLACES {
            let (open, opened) = mpsc::channel::<()>();
            let read = Box::pin(queue.run(true, move || {
                let _ = opened.recv();
                Ok(())
            }));
            held.push(open);
            assert!(futures::poll!(read).is_pending(), "it runs, and its caller is gone with this line");
        }
        let mut next = std::pin::pin!(queue.run(true, || Ok(7)));
        assert!(futures::poll!(next.as_mut()).is_pending());
        assert_eq!(queue.of_this_runtime().available_permits(), 0, "the running reads have all permits");
        drop(held.pop());
        assert_eq!(next.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_read_that_gave_up_while_it_waited_never_runs() {
        let queue = ReadQueue::new(1);
        let (open, opened) = mpsc::channel::<()>();
        let mut first = std::pin::pin!(queue.run(true, move || {
            let _ = opened.recv();
            Ok(())
        }));
        assert!(futures::poll!(first.as_mut()).is_pending());
        let given_up =
            Box::pin(queue.run(true, || -> Result<(), StoreError> { panic!("nobody asks for it") }));
        assert!(futures::poll!(given_up).is_pending());
        drop(open);
        first.await.unwrap();
        queue.run(true, || Ok(())).await.unwrap();
        assert_eq!(queue.of_this_runtime().available_permits(), 1);
    }
}
