//! Reads the log for replication and apply, at most as much at once as one message carries.

use super::tail::Log;
use crate::types::{Entry, LeaderId, TypeConfig, Vote};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use openraft::{OptionalSend, RaftLogReader, errors::LeaderChanged, storage::LeaderBoundedStreamError};
use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

/// The encoded bytes of entries that are read at once: one replication message, or one step of apply.
pub(super) const READ_BYTES: usize = 1 << 20;

/// Reads the log.
#[derive(Clone)]
pub struct LogReader {
    pub(super) log: Arc<Log>,
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: LeaderId,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, LeaderBoundedStreamError<TypeConfig>>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.log.clone();
        let leads = move |log: &Log| {
            let vote = log.tail().vote;
            match vote {
                Some(vote) if vote.is_committed() && *vote.leader_id() == leader => Ok(()),
                _ => Err(LeaderBoundedStreamError::from(LeaderChanged::new(leader, vote))),
            }
        };
        let (start, end) = log.clip(&range);
        let first_check = leads(&log);
        let parts = stream::try_unfold(start, move |next| {
            let part = (|| {
                if next >= end {
                    return Ok(None);
                }
                leads(&log)?;
                let entries = log.read(&(next..end), READ_BYTES).map_err(io::Error::from)?;
                // Entries of another leader may have replaced them while they were read.
                leads(&log)?;
                Ok(following(entries))
            })();
            async move { part }
        });
        match first_check {
            Ok(()) => flat(parts).boxed(),
            // An empty range also checks whether this node still leads.
            Err(changed) => stream::iter([Err(changed)]).boxed(),
        }
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.log.clone();
        let (start, end) = log.clip(&range);
        flat(stream::try_unfold(start, move |next| {
            let part = if next < end {
                log.read(&(next..end), READ_BYTES).map(following).map_err(io::Error::from)
            } else {
                Ok(None)
            };
            async move { part }
        }))
        .boxed()
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(self.log.read(&range, usize::MAX)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log.tail().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.log.read(&(start..end), READ_BYTES)?)
    }
}

/// A part of a stream, and the index at which the next one begins.
fn following(entries: Vec<Entry>) -> Option<(Vec<Entry>, u64)> {
    let next = entries.last()?.log_id.index + 1;
    Some((entries, next))
}

fn flat<E>(parts: impl Stream<Item = Result<Vec<Entry>, E>>) -> impl Stream<Item = Result<Entry, E>> {
    parts.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten()
}
