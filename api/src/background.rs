//! Separate threads for reads, for computations, and for WebSockets, with a lower priority than the threads of Raft.
//! An answer of many megabytes delays other reads, but neither writes nor heartbeats.

use crate::failure::ApiError;
use axum::response::{IntoResponse, Response};
use std::{thread, time::Duration};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinSet,
};

/// The niceness of these threads: under full load they get a tenth of the time of the others.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Blocking threads at least, which read from the disk or make long answers. Each keeps the memory of its last answers
/// for a while.
const MIN_BLOCKING_THREADS: usize = 2;
/// A blocking thread ends after this long without work, and so frees the memory that it kept.
const KEEP_ALIVE: Duration = Duration::from_millis(200);

/// A runtime of such threads. After it is dropped, the threads end with their current work.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// Starts threads under a name, for half of the cores: the others are for Raft.
    ///
    /// # Panics
    /// When the system cannot start threads, which happens at the start of a node only.
    pub(crate) fn new(name: &str) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = Builder::new_multi_thread()
            .worker_threads((cores / 2).max(1))
            .thread_name(name)
            .max_blocking_threads(cores.max(MIN_BLOCKING_THREADS))
            .thread_keep_alive(KEEP_ALIVE)
            .enable_time()
            .on_thread_start(lower_priority)
            .build();
        Self(Some(threads.expect("a node that starts can start threads")))
    }

    /// The handle to spawn work on these threads.
    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }

    /// Runs a handler on these threads. When the returned future is dropped, the handler is aborted.
    pub(crate) async fn answer(
        &self,
        answering: impl Future<Output = Response> + Send + 'static,
    ) -> Response {
        let mut tasks = JoinSet::new();
        tasks.spawn_on(answering, self.handle());
        match tasks.join_next().await {
            Some(Ok(response)) => response,
            Some(Err(failure)) => ApiError::internal(&failure).into_response(),
            None => ApiError::internal(&"no answer was made").into_response(),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A task there may hold the API itself, and a thread of a runtime must not block on the shutdown of another
        // one.
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

/// Lowers the priority of the current thread. Only on Linux, since elsewhere it would be that of the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority of the threads of reads cannot be lowered");
    }
}
