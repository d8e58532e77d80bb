//! Signs of life: whatever arrives while the last batch is on its way becomes the next one, on
//! each node and again on the leader, so that any number of sessions costs few log entries.

use crate::{
    node::{Leader, Node, REQUEST_DEADLINE, RETRY_PAUSE},
    peer::service::{ServiceRequest, ServiceResponse},
    propose::{Tried, of_the_cluster},
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

/// Signs of life waiting at once on one node; more get a 503.
const MAX_WAITING: usize = 65_536;
/// Sessions of one batch: bounds the entry to some 300 KiB.
const MAX_BATCH: usize = 16_384;

/// Sessions that are over, or why nobody knows.
type Outcome = Result<Arc<BTreeSet<SessionId>>, Unavailable>;

enum Sign {
    /// Sessions that beat, and who wants to know whether they still exist.
    Beats(Vec<SessionId>, oneshot::Sender<Outcome>),
    /// Sessions whose requests showed that they live.
    Touches(Vec<SessionId>),
}

/// Gathers signs of life and sends them on.
#[derive(Clone)]
pub(crate) struct Beats(mpsc::Sender<Sign>);

impl Beats {
    /// Starts the task that sends them on.
    pub(crate) fn start(node: &Arc<Node>) -> Self {
        let (send, receive) = mpsc::channel(MAX_WAITING);
        tokio::spawn(send_on(Arc::downgrade(node), receive));
        Self(send)
    }

    /// Beats for sessions; says which of them are over.
    pub(crate) async fn beat(&self, sessions: Vec<SessionId>) -> Outcome {
        let (send, receive) = oneshot::channel();
        self.0.try_send(Sign::Beats(sessions, send)).map_err(|_| {
            Unavailable::NotApplied("too many heartbeats wait on this node; try again".to_owned())
        })?;
        receive.await.unwrap_or_else(|_| Err(Unavailable::NotApplied("this node is stopping".to_owned())))
    }

    /// Sessions that acted. Dropped when too many wait: the next request shows the same.
    pub(crate) fn touch(&self, sessions: Vec<SessionId>) {
        let _ = self.0.try_send(Sign::Touches(sessions));
    }
}

async fn send_on(node: Weak<Node>, mut signs: mpsc::Receiver<Sign>) {
    while let Some(first) = signs.recv().await {
        let mut batch = Batch::default();
        batch.add(first);
        while batch.beats.len() + batch.touches.len() < MAX_BATCH {
            match signs.try_recv() {
                Ok(sign) => batch.add(sign),
                Err(_) => break,
            }
        }
        let Some(node) = node.upgrade() else { return };
        let outcome = node.renew(&batch).await;
        for asker in batch.askers {
            // A client that gave up needs no answer.
            let _ = asker.send(outcome.clone());
        }
    }
}

#[derive(Default)]
struct Batch {
    beats: BTreeSet<SessionId>,
    touches: BTreeSet<SessionId>,
    askers: Vec<oneshot::Sender<Outcome>>,
}

impl Batch {
    fn add(&mut self, sign: Sign) {
        match sign {
            Sign::Beats(sessions, asker) => {
                self.beats.extend(sessions);
                self.askers.push(asker);
            }
            Sign::Touches(sessions) => self.touches.extend(sessions),
        }
    }
}

impl Node {
    async fn renew(&self, batch: &Batch) -> Outcome {
        let deadline = Instant::now() + REQUEST_DEADLINE;
        let beats: Vec<SessionId> = batch.beats.iter().copied().collect();
        let touches: Vec<SessionId> = batch.touches.difference(&batch.beats).copied().collect();
        loop {
            let why = match self.try_renew(&beats, &touches, deadline).await {
                Ok(unknown) => return Ok(Arc::new(unknown.into_iter().collect())),
                Err(why) => why,
            };
            // Nobody waits for touches: they are not worth a second try.
            if batch.askers.is_empty() || Instant::now() + RETRY_PAUSE >= deadline {
                return Err(Unavailable::Unknown(format!("no quorum answered in time ({why}); beat again")));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn try_renew(
        &self,
        beats: &[SessionId],
        touches: &[SessionId],
        deadline: Instant,
    ) -> Result<Vec<SessionId>, String> {
        match self.leader() {
            Leader::Here => {
                let command =
                    Command::Heartbeats { heartbeats: beats.to_vec(), keep_alives: touches.to_vec() };
                match self.propose_here(&Arc::new(of_the_cluster(command)), deadline).await {
                    Tried::Answered(answer) => match answer.outcome {
                        Ok(Reply::Heartbeats { unknown }) => Ok(unknown),
                        other => Err(format!("an answer to something else: {other:?}")),
                    },
                    Tried::NotProposed(why) | Tried::Refused(why) | Tried::Unknown(why) => Err(why),
                }
            }
            Leader::There(leader) => {
                let request = ServiceRequest::Heartbeats { beats: beats.to_vec(), touches: touches.to_vec() };
                let within = deadline.saturating_duration_since(Instant::now());
                let asked = tokio::select! {
                    asked = self.peers.request(&leader, request, within) => asked,
                    () = self.leader_changes() => return Err(format!("{leader} lost the lead")),
                };
                match asked {
                    Ok(ServiceResponse::Beaten { unknown }) => Ok(unknown),
                    Ok(_) => Err(format!("{leader} does not lead")),
                    Err(error) => Err(format!("{leader}: {error}")),
                }
            }
            Leader::Nowhere => Err("there is no leader".to_owned()),
        }
    }
}
