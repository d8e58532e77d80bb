//! Runs reads that compute, within a work budget. A short one runs on the current thread; a longer one runs on one of a
//! few other threads, so that other requests, heartbeats and health checks never wait for it.

use crate::{cluster::Unavailable, failure::ApiError};
use nexus_domain::{EngineerId, WorkBudget};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

/// Long reads of one engineer that run or wait on one node. Further ones get a 503, so that no engineer takes all
/// permits.
const MAX_LONG_OF_ENGINEER: usize = 8;
/// Long reads of all engineers that run or wait on one node.
const MAX_LONG: usize = 128;
/// A long read waits at most this long for a thread. With its own quarter of a second, that is well below the deadline
/// of a request.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Reads that compute, and the limits of long ones.
pub(crate) struct LongReads {
    threads: Handle,
    /// The permits of the threads.
    permits: Arc<Semaphore>,
    /// Long reads that run or wait, by engineer.
    in_progress: Mutex<BTreeMap<EngineerId, usize>>,
    /// How long a long read waits for a thread before it gets a 503.
    longest_wait: Duration,
}

impl LongReads {
    /// Long reads that run on these threads.
    pub(crate) fn new(threads: Handle) -> Self {
        // Half of the cores; the others are for requests that do not compute.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let permits = Arc::new(Semaphore::new((cores / 2).max(1)));
        Self { threads, permits, in_progress: Mutex::default(), longest_wait: LONGEST_WAIT }
    }

    /// Computes an answer: on the current thread if that is short, and otherwise again, from the start, on another
    /// thread.
    ///
    /// # Errors
    /// The errors of the closure; `SERVICE_UNAVAILABLE` when too many long reads wait already.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        engineer: EngineerId,
        read: impl Fn(&mut WorkBudget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.compute_within(engineer, WorkBudget::of_a_long_read(), read).await
    }

    /// Like [`compute`](Self::compute), with another budget for a long computation.
    ///
    /// # Errors
    /// The errors of [`compute`](Self::compute).
    pub(crate) async fn compute_within<T: Send + 'static>(
        &self,
        engineer: EngineerId,
        mut long: WorkBudget,
        read: impl Fn(&mut WorkBudget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let mut short = WorkBudget::of_a_short_read();
        let answer = read(&mut short);
        if !short.is_exhausted() {
            return answer;
        }
        let _permit = self.enter(engineer)?;
        let thread = timeout(self.longest_wait, self.permits.clone().acquire_owned()).await;
        let thread = thread.map_err(|_| busy())?.map_err(|_| busy())?;
        // The permit of the thread is given back once its result is taken, so that few results are in memory; or with
        // the result, if nobody waits for it any more.
        let computed = self.threads.spawn_blocking(move || (read(&mut long), thread));
        let (computed, _thread) = computed.await.map_err(|failure| ApiError::internal(&failure))?;
        computed
    }
}

/// The error when this node computes as much as it may. Nothing was applied.
pub(crate) fn busy() -> ApiError {
    let message = "this node computes as much as it can for now; ask again, or another node, or for less";
    Unavailable::NotApplied(message.to_owned()).into()
}

impl LongReads {
    /// Takes a permit for one more long read of an engineer.
    fn enter(&self, engineer: EngineerId) -> Result<LongReadPermit<'_>, ApiError> {
        let mut in_progress = self.in_progress();
        let (all, own) =
            (in_progress.values().sum::<usize>(), in_progress.get(&engineer).copied().unwrap_or_default());
        if all >= MAX_LONG || own >= MAX_LONG_OF_ENGINEER {
            return Err(busy());
        }
        in_progress.insert(engineer, own + 1);
        Ok(LongReadPermit { reads: self, engineer })
    }

    fn in_progress(&self) -> MutexGuard<'_, BTreeMap<EngineerId, usize>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A long read that runs or waits.
struct LongReadPermit<'a> {
    reads: &'a LongReads,
    engineer: EngineerId,
}

impl Drop for LongReadPermit<'_> {
    fn drop(&mut self) {
        let mut in_progress = self.reads.in_progress();
        match in_progress.get_mut(&self.engineer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                in_progress.remove(&self.engineer);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        cluster::Cluster,
        service::router,
        sockets::tests::stage::{ANA, Stage, caller, engineer, expensive_patterns, project},
    };
    use axum::{
        body::Body,
        http::{Request, StatusCode},
    };
    use nexus_api_types::Code;
    use nexus_domain::{command, decide::overlapping_claims, entity::ClaimMode};
    use tower::ServiceExt;

    #[tokio::test]
    async fn one_engineer_leaves_permits_to_others() {
        let reads = LongReads::new(Handle::current());
        let (ana, ben) = (EngineerId::MIN, EngineerId::MAX);
        let mut permits: Vec<_> = (0..MAX_LONG_OF_ENGINEER).map(|_| reads.enter(ana).unwrap()).collect();
        let refused = reads.enter(ana).err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (Code::ServiceUnavailable, Some(1)));
        drop(reads.enter(ben).unwrap());
        permits.pop();
        assert!(reads.enter(ana).is_ok());
        drop(permits);
        assert!(reads.in_progress().is_empty());
    }

    // On one thread: what holds it up holds up everything.
    #[tokio::test]
    async fn a_node_answers_while_long_reads_run() {
        let stage = Stage::set();
        let (held, wanted) = (expensive_patterns("[x]"), expensive_patterns("[y]"));
        let claim = command::ClaimPaths {
            project: project(1),
            paths: held.into(),
            mode: ClaimMode::Shared,
            feature: None,
        }
        .into();
        stage.apply(engineer(ANA), claim);
        let mut api = stage.api();
        // All eight get their thread, however slowly the machine computes.
        api.shared_mut().unwrap().long_reads.longest_wait = Duration::from_secs(3_600);
        let read = || {
            let (api, view, wanted) = (api.clone(), stage.local(), wanted.clone());
            let found = move |work: &mut WorkBudget| {
                let found = overlapping_claims(view.state(), project(1), &wanted, 1_000, work)?;
                Ok(found.len())
            };
            tokio::spawn(async move { api.long_reads.compute(caller(ANA).engineer, found).await })
        };
        let reads: Vec<_> = (0..MAX_LONG_OF_ENGINEER + 4).map(|_| read()).collect();
        // Each has tried it in passing by then.
        tokio::task::yield_now().await;

        let live = Request::get("/health/live").body(Body::empty()).unwrap();
        let answer = router(api.clone()).oneshot(live).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let running = reads.iter().filter(|read| !read.is_finished()).count();
        assert!(
            (1..=MAX_LONG_OF_ENGINEER).contains(&running),
            "{running} of those with a permit run or wait"
        );

        let (mut answered, mut turned_away) = (0, 0);
        for read in reads {
            match read.await.unwrap() {
                Err(error) if error.code == Code::ServiceUnavailable => {
                    assert_eq!(error.retry_after, Some(1));
                    turned_away += 1;
                }
                Ok(found) => {
                    assert_eq!(found, 0, "they collide with nothing");
                    answered += 1;
                }
                Err(refused) => {
                    assert_eq!(refused.code, Code::ValidationError, "{refused:?}");
                    answered += 1;
                }
            }
        }
        assert_eq!((answered, turned_away), (MAX_LONG_OF_ENGINEER, 4));
    }
}
