//! Threads of their own for reads, for what is computed, and for those who follow events, below the priority of those
//! that keep the log. An answer of many megabytes holds up other reads, and neither writes nor signs of life.

use crate::failure::ApiError;
use axum::response::{IntoResponse, Response};
use std::{thread, time::Duration};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinSet,
};

/// How much lower their priority is, as `nice` has it: under a full load, a tenth of what the log gets.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Threads at least that read from the disk, or make long answers. Each keeps for a while what its answers took.
const LEAST_BLOCKING: usize = 2;
/// They end after so long without work, and give back what they kept.
const KEEP_ALIVE: Duration = Duration::from_millis(200);

/// The threads. Dropped, they end when what they do is done.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// Threads under a name, for half of the cores: the rest is for the log.
    ///
    /// # Panics
    /// When the system gives no threads, at the start of a node.
    pub(crate) fn new(name: &str) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = Builder::new_multi_thread()
            .worker_threads((cores / 2).max(1))
            .thread_name(name)
            .max_blocking_threads(cores.max(LEAST_BLOCKING))
            .thread_keep_alive(KEEP_ALIVE)
            .enable_time()
            .on_thread_start(lower_priority)
            .build();
        Self(Some(threads.expect("a node that starts can start threads")))
    }

    /// Where blocking work is handed to.
    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }

    /// Lets an answer be made there. Given up, it is made no further.
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
        // What runs there may hold the API itself, and nobody may wait on a thread of another runtime.
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

/// Of this thread alone, as Linux has it; elsewhere it would be that of the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "reads have the priority of everything else");
    }
}
