//! Linearizable reads by ReadIndex (Ongaro, 6.4): the leader confirms with a quorum that it still leads, and returns
//! the index that a reader must have applied. Reads that wait at the same time share one request.

use crate::{
    leader::client::{LeaderClient, LeaderError, Repeat, RetryPolicy},
    node::REMOVED,
    peer::service::{ServiceRequest, ServiceResponse},
    watch::timings::Timings,
};
use nexus_api::cluster::Unavailable;
use nexus_domain::Revision;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

/// Reads that wait at once on one node; further ones get a 503.
const MAX_WAITING: usize = 8_192;
/// Longest wait for one answer of the leader. A lost leader is noticed within it.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The error of a read that waited until its deadline.
const NO_QUORUM: &str = "no quorum answered in time; ?consistency=stale reads this node's own state";

type Waiter = oneshot::Sender<Result<Revision, Unavailable>>;

/// Fetches read indexes from the leader, each for all reads that wait. Clones share the queue.
#[derive(Clone)]
pub(crate) struct ReadIndexes {
    queue: mpsc::Sender<Waiter>,
    timings: Arc<Timings>,
    longest_wait: Duration,
}

impl ReadIndexes {
    /// Starts the task that fetches them. It ends when every clone of this is dropped.
    pub(crate) fn start(leader: LeaderClient) -> Self {
        let (send, receive) = mpsc::channel(MAX_WAITING);
        let timings = leader.timings.clone();
        let longest_wait = leader.node.timing.request_deadline();
        tokio::spawn(serve_read_indexes(leader, receive));
        Self { queue: send, timings, longest_wait }
    }

    /// The index that must be applied before a read that begins now is answered.
    pub(crate) async fn next(&self) -> Result<Revision, Unavailable> {
        let (send, receive) = oneshot::channel();
        self.queue.try_send(send).map_err(|_| {
            Unavailable::NotApplied("too many readers wait on this node; try again".to_owned())
        })?;
        let late = || Unavailable::NotApplied(NO_QUORUM.to_owned());
        let began = Instant::now();
        let answer = timeout(self.longest_wait, receive).await;
        self.timings.read_index.record(began.elapsed());
        let answer = answer.map_err(|_| late())?;
        answer.unwrap_or_else(|_| Err(Unavailable::NotApplied("this node is stopping".to_owned())))
    }

    /// The number of reads that wait for the next request to the leader.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

async fn serve_read_indexes(leader: LeaderClient, mut waiters: mpsc::Receiver<Waiter>) {
    while let Some(first) = waiters.recv().await {
        // Reads that came while the last request was under way share the next one.
        let mut waiting = vec![first];
        while let Ok(more) = waiters.try_recv() {
            waiting.push(more);
        }
        // When the node stops, nobody waits for what is left, and retries would keep the store open.
        if waiters.is_closed() {
            return;
        }
        let answer = read_index(&leader, leader.node.deadline()).await;
        for waiter in waiting {
            // A read that gave up needs no answer.
            let _ = waiter.send(answer.clone());
        }
    }
}

/// The read index of the leader, wherever it is, with retries until the deadline.
async fn read_index(leader: &LeaderClient, deadline: Instant) -> Result<Revision, Unavailable> {
    let policy = RetryPolicy { deadline, attempt_timeout: ANSWER_TIMEOUT, repeat: Repeat::Always };
    let read = |response| match response {
        ServiceResponse::ReadIndex(revision) => Some(Ok::<_, String>(revision)),
        _ => None,
    };
    leader.ask(ServiceRequest::ReadIndex, policy, read).await.map_err(|error| {
        // A read changes nothing, so nothing of it is unknown.
        Unavailable::NotApplied(match error {
            LeaderError::Removed => REMOVED.to_owned(),
            // It was removed while the read waited.
            LeaderError::Unknown(_) if leader.node.is_removed() => REMOVED.to_owned(),
            LeaderError::NotCarriedOut(why) | LeaderError::Unknown(why) | LeaderError::Refused(why) => {
                format!("no quorum answered in time ({why}); ?consistency=stale reads this node's own state")
            }
        })
    })
}
