//! Heartbeats and keep-alives of sessions, in batches: whatever arrives while the last batch is under way becomes the
//! next one, on each node and again on the leader. So any number of sessions costs few log entries.

use crate::{
    leader::client::{LeaderClient, Repeat, RetryPolicy},
    peer::service::{ServiceRequest, ServiceResponse},
};
use nexus_api::cluster::Unavailable;
use nexus_domain::SessionId;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::{mpsc, oneshot};

/// Signals that wait at once on one node; further heartbeats get a 503.
const MAX_WAITING: usize = 65_536;
/// Sessions of one batch: bounds the entry to some 300 KiB.
const MAX_BATCH: usize = 16_384;

/// The sessions of a batch that are over, or why the cluster could not say.
type Outcome = Result<Arc<BTreeSet<SessionId>>, Unavailable>;

enum Signal {
    /// Sessions whose clients sent a heartbeat, and where to send the sessions that are over.
    Heartbeats(Vec<SessionId>, oneshot::Sender<Outcome>),
    /// Sessions whose other requests showed that they are alive.
    KeepAlives(Vec<SessionId>),
}

/// Queues heartbeats and keep-alives for the next batch. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Heartbeats(mpsc::Sender<Signal>);

impl Heartbeats {
    /// Starts the task that sends the batches. It ends when every clone of this is dropped.
    pub(crate) fn start(leader: LeaderClient) -> Self {
        let (send, receive) = mpsc::channel(MAX_WAITING);
        tokio::spawn(send_batches(leader, receive));
        Self(send)
    }

    /// Renews the leases of sessions by heartbeat, and returns those that are over.
    pub(crate) async fn heartbeat(&self, sessions: Vec<SessionId>) -> Outcome {
        let (send, receive) = oneshot::channel();
        self.0.try_send(Signal::Heartbeats(sessions, send)).map_err(|_| {
            Unavailable::NotApplied("too many heartbeats wait on this node; try again".to_owned())
        })?;
        receive.await.unwrap_or_else(|_| Err(Unavailable::NotApplied("this node is stopping".to_owned())))
    }

    /// Renews the leases of sessions that acted. Dropped when too many signals wait: the next request of the session
    /// shows the same.
    pub(crate) fn keep_alive(&self, sessions: Vec<SessionId>) {
        let _ = self.0.try_send(Signal::KeepAlives(sessions));
    }

    /// The number of signals that wait for the next batch.
    pub(crate) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}

async fn send_batches(leader: LeaderClient, mut signals: mpsc::Receiver<Signal>) {
    while let Some(first) = signals.recv().await {
        let mut batch = Batch::default();
        batch.add(first);
        while batch.heartbeats.len() + batch.keep_alives.len() < MAX_BATCH {
            match signals.try_recv() {
                Ok(signal) => batch.add(signal),
                Err(_) => break,
            }
        }
        // When the node stops, nobody waits for what is left, and retries would keep the store open.
        if signals.is_closed() {
            return;
        }
        let outcome = renew(&leader, &batch).await;
        for waiter in batch.waiters {
            // A client that gave up needs no answer.
            let _ = waiter.send(outcome.clone());
        }
    }
}

#[derive(Default)]
struct Batch {
    heartbeats: BTreeSet<SessionId>,
    keep_alives: BTreeSet<SessionId>,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

impl Batch {
    fn add(&mut self, signal: Signal) {
        match signal {
            Signal::Heartbeats(sessions, waiter) => {
                self.heartbeats.extend(sessions);
                self.waiters.push(waiter);
            }
            Signal::KeepAlives(sessions) => self.keep_alives.extend(sessions),
        }
    }
}

/// Sends a batch to the leader.
async fn renew(leader: &LeaderClient, batch: &Batch) -> Outcome {
    let heartbeats = batch.heartbeats.iter().copied().collect();
    let keep_alives = batch.keep_alives.difference(&batch.heartbeats).copied().collect();
    let policy = RetryPolicy {
        // No client waits for keep-alives: they are not worth a second try.
        repeat: if batch.waiters.is_empty() { Repeat::Never } else { Repeat::Always },
        ..RetryPolicy::within(leader.node.timing.request_deadline())
    };
    let read = |response| match response {
        ServiceResponse::Heartbeats { unknown } => Some(Ok(unknown)),
        ServiceResponse::NoRoom { reason } => Some(Err(reason)),
        _ => None,
    };
    let request = ServiceRequest::Heartbeats { heartbeats, keep_alives };
    match leader.ask(request, policy, read).await {
        Ok(unknown) => Ok(Arc::new(unknown.into_iter().collect())),
        Err(error) => Err(error
            .into_unavailable(|why| format!("no quorum answered in time ({why}); send the heartbeat again"))),
    }
}
