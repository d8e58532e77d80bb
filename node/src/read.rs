//! Linearizable reads by ReadIndex (Ongaro, 6.4): the leader confirms with a quorum that it still leads, and returns
//! the index that a reader must have applied. Reads that wait at the same time share one request.

use crate::{
    node::{Leader, Node, REQUEST_DEADLINE, RETRY_PAUSE},
    peer::service::{ServiceRequest, ServiceResponse},
};
use nexus_api::cluster::Unavailable;
use nexus_domain::Revision;
use openraft::raft::{ReadPolicy, linearizable_read::LinearizerOption};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
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
pub(crate) struct ReadIndexes(mpsc::Sender<Waiter>);

impl ReadIndexes {
    /// Starts the task that fetches them.
    pub(crate) fn start(node: &Arc<Node>) -> Self {
        let (send, receive) = mpsc::channel(MAX_WAITING);
        tokio::spawn(serve_read_indexes(Arc::downgrade(node), receive));
        Self(send)
    }

    /// The index that must be applied before a read that begins now is answered.
    pub(crate) async fn next(&self) -> Result<Revision, Unavailable> {
        let (send, receive) = oneshot::channel();
        self.0.try_send(send).map_err(|_| {
            Unavailable::NotApplied("too many readers wait on this node; try again".to_owned())
        })?;
        let late = || Unavailable::NotApplied(NO_QUORUM.to_owned());
        let answer = timeout(REQUEST_DEADLINE, receive).await.map_err(|_| late())?;
        answer.unwrap_or_else(|_| Err(Unavailable::NotApplied("this node is stopping".to_owned())))
    }
}

async fn serve_read_indexes(node: Weak<Node>, mut waiters: mpsc::Receiver<Waiter>) {
    while let Some(first) = waiters.recv().await {
        // Reads that came while the last request was under way share the next one.
        let mut waiting = vec![first];
        while let Ok(more) = waiters.try_recv() {
            waiting.push(more);
        }
        let Some(node) = node.upgrade() else { return };
        let answer = node.read_index(Instant::now() + REQUEST_DEADLINE).await;
        for waiter in waiting {
            // A read that gave up needs no answer.
            let _ = waiter.send(answer.clone());
        }
    }
}

impl Node {
    /// The read index of the leader, wherever it is, with retries until the deadline.
    async fn read_index(&self, deadline: Instant) -> Result<Revision, Unavailable> {
        loop {
            let response = match self.leader() {
                Leader::Local => self.read_index_here().await,
                Leader::Remote(leader) => {
                    tokio::select! {
                        response = self.peers.request(&leader, ServiceRequest::ReadIndex, ANSWER_TIMEOUT) => match response {
                            Ok(ServiceResponse::ReadIndex(revision)) => Ok(revision),
                            Ok(_) => Err(format!("{leader} does not lead")),
                            Err(error) => Err(format!("{leader}: {error}")),
                        },
                        () = self.leader_changes() => Err(format!("{leader} lost the lead")),
                    }
                }
                Leader::Unknown => Err("there is no leader".to_owned()),
            };
            match response {
                Ok(revision) => return Ok(revision),
                Err(why) if Instant::now() + RETRY_PAUSE >= deadline => {
                    return Err(Unavailable::NotApplied(format!(
                        "no quorum answered in time ({why}); ?consistency=stale reads this node's own state"
                    )));
                }
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// The read index of this node, if a quorum confirms now that it leads.
    pub(crate) async fn read_index_here(&self) -> Result<Revision, String> {
        let option = LinearizerOption::from(ReadPolicy::ReadIndex).with_wait_timeout(ANSWER_TIMEOUT);
        match timeout(ANSWER_TIMEOUT, self.raft.get_read_linearizer(option)).await {
            Ok(Ok(linearizer)) => Ok(Revision(linearizer.read_log_id().log_id().index)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no quorum answered".to_owned()),
        }
    }
}
