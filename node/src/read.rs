//! Linearizable reads through ReadIndex (Ongaro, 6.4): the leader proves to itself that it still
//! leads, and says up to which index a reader must have applied. Readers that wait at once share
//! one question.

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

/// Readers waiting at once on one node; more get a 503.
const MAX_WAITING: usize = 8_192;
/// One question to the leader takes no longer: within it, a lost leader is noticed.
const ONE_QUESTION: Duration = Duration::from_millis(1_500);

/// Told to a reader that waited long enough.
const NO_QUORUM: &str = "no quorum answered in time; ?consistency=stale reads this node's own state";

type Asker = oneshot::Sender<Result<Revision, Unavailable>>;

/// Asks for indexes, many readers at a time.
#[derive(Clone)]
pub(crate) struct ReadIndexes(mpsc::Sender<Asker>);

impl ReadIndexes {
    /// Starts the task that asks.
    pub(crate) fn start(node: &Arc<Node>) -> Self {
        let (send, receive) = mpsc::channel(MAX_WAITING);
        tokio::spawn(ask(Arc::downgrade(node), receive));
        Self(send)
    }

    /// The index that a read which begins now must wait for.
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

async fn ask(node: Weak<Node>, mut askers: mpsc::Receiver<Asker>) {
    while let Some(first) = askers.recv().await {
        // Whoever came while the last question was on its way shares the next one.
        let mut waiting = vec![first];
        while let Ok(more) = askers.try_recv() {
            waiting.push(more);
        }
        let Some(node) = node.upgrade() else { return };
        let answer = node.read_index(Instant::now() + REQUEST_DEADLINE).await;
        for asker in waiting {
            // A reader that gave up needs no answer.
            let _ = asker.send(answer.clone());
        }
    }
}

impl Node {
    /// The index of the leader, wherever it is; asked again until the deadline.
    async fn read_index(&self, deadline: Instant) -> Result<Revision, Unavailable> {
        loop {
            let asked = match self.leader() {
                Leader::Here => self.read_index_here().await,
                Leader::There(leader) => {
                    tokio::select! {
                        asked = self.peers.request(&leader, ServiceRequest::ReadIndex, ONE_QUESTION) => match asked {
                            Ok(ServiceResponse::ReadIndex(revision)) => Ok(revision),
                            Ok(_) => Err(format!("{leader} does not lead")),
                            Err(error) => Err(format!("{leader}: {error}")),
                        },
                        () = self.leader_changes() => Err(format!("{leader} lost the lead")),
                    }
                }
                Leader::Nowhere => Err("there is no leader".to_owned()),
            };
            match asked {
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

    /// The index of this node, if it leads: proven by a quorum that answered after the question.
    pub(crate) async fn read_index_here(&self) -> Result<Revision, String> {
        let option = LinearizerOption::from(ReadPolicy::ReadIndex).with_wait_timeout(ONE_QUESTION);
        match timeout(ONE_QUESTION, self.raft.get_read_linearizer(option)).await {
            Ok(Ok(linearizer)) => Ok(Revision(linearizer.read_log_id().log_id().index)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no quorum answered".to_owned()),
        }
    }
}
