//! Heartbeats and keep-alives of sessions, in batches: whatever arrives while the last batch is under way becomes the
//! next one, on each node and again on the leader. So any number of sessions costs few log entries.

use crate::{
    node::{Leader, Node, REQUEST_DEADLINE, RETRY_PAUSE},
    peer::service::{ServiceRequest, ServiceResponse},
    propose::{ProposeOutcome, system_proposal},
};
use nexus_api::cluster::Unavailable;
use nexus_domain::{Command, Reply, SessionId};
use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

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
    /// Starts the task that sends the batches.
    pub(crate) fn start(node: &Arc<Node>) -> Self {
        let (send, receive) = mpsc::channel(MAX_WAITING);
        tokio::spawn(send_batches(Arc::downgrade(node), receive));
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
}

async fn send_batches(node: Weak<Node>, mut signals: mpsc::Receiver<Signal>) {
    while let Some(first) = signals.recv().await {
        let mut batch = Batch::default();
        batch.add(first);
        while batch.heartbeats.len() + batch.keep_alives.len() < MAX_BATCH {
            match signals.try_recv() {
                Ok(signal) => batch.add(signal),
                Err(_) => break,
            }
        }
        let Some(node) = node.upgrade() else { return };
        let outcome = node.renew(&batch).await;
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

impl Node {
    async fn renew(&self, batch: &Batch) -> Outcome {
        let deadline = Instant::now() + REQUEST_DEADLINE;
        let heartbeats: Vec<SessionId> = batch.heartbeats.iter().copied().collect();
        let keep_alives: Vec<SessionId> = batch.keep_alives.difference(&batch.heartbeats).copied().collect();
        loop {
            let why = match self.try_renew(&heartbeats, &keep_alives, deadline).await {
                Ok(unknown) => return Ok(Arc::new(unknown.into_iter().collect())),
                Err(why) => why,
            };
            // No client waits for keep-alives: they are not worth a second try.
            if batch.waiters.is_empty() || Instant::now() + RETRY_PAUSE >= deadline {
                return Err(Unavailable::Unknown(format!(
                    "no quorum answered in time ({why}); send the heartbeat again"
                )));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn try_renew(
        &self,
        heartbeats: &[SessionId],
        keep_alives: &[SessionId],
        deadline: Instant,
    ) -> Result<Vec<SessionId>, String> {
        let (heartbeats, keep_alives) = (heartbeats.to_vec(), keep_alives.to_vec());
        match self.leader() {
            Leader::Local => {
                let command = Command::Heartbeats { heartbeats, keep_alives };
                match self.propose_here(&Arc::new(system_proposal(command)), deadline).await {
                    ProposeOutcome::Applied(answer) => match answer.outcome {
                        Ok(Reply::Heartbeats { unknown }) => Ok(unknown),
                        other => Err(format!("an answer to something else: {other:?}")),
                    },
                    ProposeOutcome::NotProposed(why)
                    | ProposeOutcome::Refused(why)
                    | ProposeOutcome::Unknown(why) => Err(why),
                }
            }
            Leader::Remote(leader) => {
                let request = ServiceRequest::Heartbeats { heartbeats, keep_alives };
                let within = deadline.saturating_duration_since(Instant::now());
                let response = tokio::select! {
                    response = self.peers.request(&leader, request, within) => response,
                    () = self.leader_changes() => return Err(format!("{leader} lost the lead")),
                };
                match response {
                    Ok(ServiceResponse::Heartbeats { unknown }) => Ok(unknown),
                    Ok(_) => Err(format!("{leader} does not lead")),
                    Err(error) => Err(format!("{leader}: {error}")),
                }
            }
            Leader::Unknown => Err("there is no leader".to_owned()),
        }
    }
}
