//! Makes writes durable, many at a time, and answers them in the order of writing. A failed flush is never retried:
//! afterwards the content of the disk is unknown.

use super::mark::{Mark, MarkFile, SYNC_EVERY};
use crate::{
    error::StoreError,
    fatal::Fatal,
    latency::LatencyHistogram,
    storage::Storage,
    types::{LogId, TypeConfig, Vote},
};
use openraft::storage::IOFlushed;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};

/// Writes that may wait for a flush; then Raft waits. Raft never has as many in flight.
const QUEUE: usize = 1024;

/// A write, and the sender that waits until it is durable.
pub(super) enum Job {
    /// Entries up to this one.
    Appended(LogId, IOFlushed<TypeConfig>),
    /// A vote to make durable, and the sender that waits for it.
    Voted(Vote, oneshot::Sender<Result<(), StoreError>>),
    /// The mark is to be lowered, since the entries after this one are about to be truncated.
    Truncating(Option<LogId>, oneshot::Sender<Result<(), StoreError>>),
}

impl Job {
    fn answer(self, result: Result<(), StoreError>) {
        match self {
            Self::Appended(_, callback) => callback.io_completed(result.map_err(Into::into)),
            Self::Voted(_, done) | Self::Truncating(_, done) => {
                // Raft is shutting down, and does not wait any more.
                let _ = done.send(result);
            }
        }
    }
}

/// Statistics of flushes, for metrics and for the watchdog of slow disks.
#[derive(Debug, Default)]
pub struct FlushStats {
    latency: LatencyHistogram,
    writes: AtomicU64,
    /// Writes that wait for a flush, or for the one in progress.
    queued: AtomicU64,
    last_micros: AtomicU64,
    since: Mutex<Option<Instant>>,
}

impl FlushStats {
    /// The number of successful flushes.
    pub fn flushes(&self) -> u64 {
        self.latency.count()
    }

    /// The durations of all successful flushes.
    pub fn latency(&self) -> &LatencyHistogram {
        &self.latency
    }

    /// The number of appends, votes and truncations that are not durable yet.
    pub fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// The number of appends, votes and truncations that were made durable.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// The duration of all flushes together.
    pub fn total(&self) -> Duration {
        self.latency.total()
    }

    /// The duration of the last flush.
    pub fn last(&self) -> Duration {
        Duration::from_micros(self.last_micros.load(Ordering::Relaxed))
    }

    /// The duration so far of the flush in progress; `None` if there is none.
    pub fn waiting(&self) -> Option<Duration> {
        self.since().map(|since| since.elapsed())
    }

    /// Counts a write before it is sent to the flusher.
    pub(super) fn enqueued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Instant {
        let now = Instant::now();
        *self.since() = Some(now);
        now
    }

    fn end(&self, began: Instant, writes: usize) {
        *self.since() = None;
        let took = began.elapsed();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency.record(took);
        self.writes.fetch_add(writes as u64, Ordering::Relaxed);
        self.last_micros.store(micros, Ordering::Relaxed);
    }
}

/// Flushes the storage and answers the waiting writes.
pub(super) struct Flusher {
    pub(super) mark_file: MarkFile,
    pub(super) mark: Mark,
    pub(super) fatal: Fatal,
    pub(super) stats: Arc<FlushStats>,
    /// The flushes since the mark was made durable.
    pub(super) unsynced_marks: u32,
    /// The storage, which is dropped last: then the data folder can be opened again.
    pub(super) storage: Arc<dyn Storage>,
}

impl Flusher {
    /// Starts flushing until the sender is dropped: in a thread if the storage waits for a device, else as a task of
    /// the caller's runtime.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(mut self) -> Result<mpsc::Sender<Job>, StoreError> {
        let (sender, mut queue) = mpsc::channel(QUEUE);
        if self.storage.may_block() {
            let run = move || {
                while let Some(first) = queue.blocking_recv() {
                    let began = self.stats.begin();
                    self.flush(gather(first, &mut queue), began);
                }
                self.finish();
            };
            std::thread::Builder::new()
                .name("log-flusher".into())
                .spawn(run)
                .map_err(|error| StoreError::from_io("starting the flusher", &error))?;
        } else {
            tokio::spawn(async move {
                while let Some(first) = queue.recv().await {
                    let began = self.stats.begin();
                    let delay = self.storage.flush_delay();
                    if !delay.is_zero() {
                        sleep(delay).await;
                    }
                    self.flush(gather(first, &mut queue), began);
                }
                self.finish();
            });
        }
        Ok(sender)
    }

    /// Makes all waiting writes durable with one flush, then answers them in order.
    fn flush(&mut self, jobs: Vec<Job>, began: Instant) {
        let result = self
            .fatal
            .check()
            .and_then(|()| self.make_durable(&jobs, began).map_err(|error| self.fatal.raise(error)));
        self.stats.queued.fetch_sub(jobs.len() as u64, Ordering::Relaxed);
        for job in jobs {
            job.answer(result.clone());
        }
    }

    fn make_durable(&mut self, jobs: &[Job], began: Instant) -> Result<(), StoreError> {
        self.storage.flush()?;

        let mut lowered = false;
        for job in jobs {
            match job {
                Job::Appended(last, _) => self.mark.last = Some(*last),
                Job::Voted(vote, _) => self.mark.vote = Some(*vote),
                Job::Truncating(last, _) => {
                    self.mark.last = *last;
                    lowered = true;
                }
            }
        }
        // The mark is written before the answers: it must have everything that is acknowledged.
        if lowered {
            self.mark_file.replace(&self.mark)?;
            self.unsynced_marks = 0;
        } else {
            self.mark_file.write(&self.mark)?;
            self.unsynced_marks += 1;
            if self.unsynced_marks >= SYNC_EVERY {
                self.mark_file.sync()?;
                self.unsynced_marks = 0;
            }
        }
        // The mark is a file on the same disk, so writing it counts as part of the flush.
        self.stats.end(began, jobs.len());
        Ok(())
    }

    fn finish(self) {
        if self.fatal.check().is_ok() {
            // The writes after the last append are worth keeping, but none of them was acknowledged.
            let flushed = self.storage.flush().and_then(|()| self.mark_file.sync());
            if let Err(error) = flushed {
                tracing::warn!(%error, "the last flush before closing failed");
            }
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        // Without this, the waiting writes would wait for ever.
        if std::thread::panicking() {
            self.fatal.raise(StoreError::Stopped("the flusher panicked".into()));
        }
    }
}

fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut jobs = vec![first];
    while jobs.len() < QUEUE
        && let Ok(job) = queue.try_recv()
    {
        jobs.push(job);
    }
    jobs
}
