//! Writes the log and the vote. It never waits for a device on an async worker.

use super::{
    flusher::{FlushStats, Job},
    reader::LogReader,
    tail::{Log, Tail},
};
use crate::{
    error::StoreError,
    keys::{self, meta},
    record::{self, Kind},
    storage::{Batch, Column, KeyRange},
    types::{LogId, TypeConfig, Vote},
};
use openraft::{
    LogState, OptionalSend,
    storage::{IOFlushed, RaftLogStorage},
};
use std::{io, sync::Arc};
use tokio::sync::{mpsc, oneshot};

/// The writer of this node's log. There is one, which Raft owns.
pub struct LogStore {
    pub(super) log: Arc<Log>,
    pub(super) queue: mpsc::Sender<Job>,
    pub(super) stats: Arc<FlushStats>,
}

impl LogStore {
    /// Statistics of flushes.
    pub fn flush_stats(&self) -> Arc<FlushStats> {
        self.stats.clone()
    }

    /// Writes a batch, together with the latest committed index.
    fn write(&self, mut batch: Batch) -> Result<(), StoreError> {
        self.log.fatal.check()?;
        let unsaved = {
            let tail = self.log.tail();
            tail.committed.filter(|committed| tail.saved_committed != Some(*committed))
        };
        if let Some(committed) = unsaved {
            batch.put(Column::Meta, meta::COMMITTED, record::encode(Kind::LOG_ID, &committed));
        }
        self.log.storage.write(batch).map_err(|error| self.log.fatal.raise(error))?;
        if unsaved.is_some() {
            self.log.tail().saved_committed = unsaved;
        }
        Ok(())
    }

    async fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        self.stats.enqueued();
        self.queue.send(job).await.map_err(|_| self.flusher_ended())
    }

    /// Waits for the flusher's answer.
    async fn flushed(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), StoreError>>) -> Job,
    ) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.enqueue(job(done)).await?;
        answer.await.unwrap_or_else(|_| Err(self.flusher_ended()))
    }

    fn flusher_ended(&self) -> StoreError {
        self.log.fatal.raise(StoreError::Stopped("the flusher has ended".into()))
    }

    /// Checks that the entries continue the log without a gap.
    fn check_next(tail: &Tail, expected: Option<u64>, next: LogId) -> Result<(), StoreError> {
        let expected = expected.or(tail.last.map(|last| last.index + 1));
        match expected {
            Some(expected) if next.index != expected => Err(StoreError::Inconsistent(format!(
                "log entry {next} is appended where index {expected} belongs"
            ))),
            _ => Ok(()),
        }
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let tail = self.log.tail();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader { log: self.log.clone() }
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let mut batch = Batch::new();
        batch.put(Column::Meta, meta::VOTE, record::encode(Kind::VOTE, vote));
        self.write(batch)?;
        // Entries are readable before they are durable: so the stream of a deposed leader ends at once.
        self.log.tail().vote = Some(*vote);
        Ok(self.flushed(|done| Job::Voted(*vote, done)).await?)
    }

    /// Keeps the committed index in memory until the next append writes it. It only saves work at start.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.log.tail().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.log.tail().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = crate::types::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = Batch::new();
        let mut appended = Vec::new();
        let mut next = None;
        for entry in entries {
            let log_id = entry.log_id;
            if let Err(error) = Self::check_next(&self.log.tail(), next, log_id) {
                return Err(self.log.fatal.raise(error).into());
            }
            next = Some(log_id.index + 1);
            let key = keys::entry(log_id.index);
            let (_, value) = batch
                .put_written(
                    Column::Log,
                    |to| to.extend_from_slice(&key),
                    |to| record::append(Kind::ENTRY, &entry, to),
                )
                .expect("an entry has a bounded size");
            let bytes = value.len();
            appended.push((entry, bytes));
        }
        let Some((first, last)) =
            appended.first().zip(appended.last()).map(|(a, b)| (a.0.log_id, b.0.log_id))
        else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        self.write(batch)?;
        {
            let mut tail = self.log.tail();
            tail.first.get_or_insert(first.index);
            tail.last = Some(last);
            for (entry, bytes) in appended {
                tail.cache.push(entry, bytes);
            }
        }
        Ok(self.enqueue(Job::Appended(last, callback)).await?)
    }

    async fn truncate_after(&mut self, last_kept: Option<LogId>) -> Result<(), io::Error> {
        let (purged, last) = {
            let tail = self.log.tail();
            (tail.purged, tail.last)
        };
        let last_kept = last_kept.max(purged);
        if last_kept.map(|id| id.index) >= last.map(|id| id.index) {
            return Ok(());
        }
        // The mark is lowered first: a log shorter than its mark would count as damaged.
        self.flushed(|done| Job::Truncating(last_kept, done)).await?;
        let start = last_kept.map_or(0, |id| id.index + 1);
        let end = last.map_or(0, |id| id.index + 1);
        let mut batch = Batch::new();
        batch.delete_range(Column::Log, KeyRange::between(keys::entry(start), keys::entry(end)));
        self.write(batch)?;
        let mut tail = self.log.tail();
        tail.generation += 1;
        tail.last = last_kept;
        tail.first = tail.first.filter(|first| *first < start);
        tail.cache.truncate_after(start.checked_sub(1));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let (first, last) = {
            let tail = self.log.tail();
            if tail.purged >= Some(upto) {
                return Ok(());
            }
            (tail.first, tail.last)
        };
        let is_whole_log = last.is_none_or(|last| last.index <= upto.index);
        let is_replaced = is_whole_log && last != Some(upto);
        if is_replaced {
            // A snapshot replaces the log, whose entries may be of a later term than the last one of the snapshot. The
            // mark is lowered before the write and raised after it, so that it fits the log at any moment.
            let purged = self.log.tail().purged;
            self.flushed(|done| Job::Truncating(purged, done)).await?;
        }
        let mut batch = Batch::new();
        batch.put(Column::Meta, meta::PURGED, record::encode(Kind::LOG_ID, &upto));
        if let (Some(first), Some(last)) = (first, last) {
            let end = upto.index.min(last.index) + 1;
            batch.delete_range(Column::Log, KeyRange::between(keys::entry(first), keys::entry(end)));
        }
        self.write(batch)?;
        if is_replaced {
            self.flushed(|done| Job::Truncating(Some(upto), done)).await?;
        }
        let mut tail = self.log.tail();
        tail.generation += 1;
        tail.purged = Some(upto);
        tail.cache.purge(upto.index);
        if is_whole_log {
            tail.last = Some(upto);
            tail.first = None;
        } else {
            tail.first = first.map(|first| first.max(upto.index + 1));
        }
        Ok(())
    }
}
