//! Requests to a node, and what became of them.

use crate::{planted::Planted, world::points};
use futures::FutureExt;
use nexus_api::cluster::{Cluster, Consistency, History, Unavailable, WriteRequest};
use nexus_domain::{Answer, Proposal, Revision, SessionId, Stamp};
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// Events that are read at once.
const PAGE: usize = 50;

/// A request of a client.
#[derive(Clone, Debug)]
pub enum What {
    /// A write of the team.
    Write(Box<WriteRequest>),
    /// A read of the state.
    Read(Consistency),
    /// A heartbeat of a session.
    Beat(SessionId),
    /// The events from this revision on.
    Events(Revision),
}

/// The outcome of a request, as its client heard it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A write was committed: this is its answer. The node had applied this much when it said so.
    Answered(Box<Answer>, Revision),
    /// A read returned the state of this revision.
    Read(Revision),
    /// Whether the session lives.
    Beat(bool),
    /// Events, and the revision at which the next ones begin.
    Events(Box<History>),
    /// It was certainly not carried out.
    NotApplied,
    /// It may have been carried out.
    Unknown,
    /// It was answered by a node whose memory was wrong, so that nobody is held to it. Only oracles see it.
    Doubted,
    /// Nothing was heard. It may have been carried out, or may still be.
    Silence,
}

/// A request with its times, in milliseconds since the beginning of the world.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The number of the client.
    pub agent: usize,
    /// The node that was asked.
    pub node: usize,
    /// How often its process had started.
    pub node_start: u64,
    /// The request that it made.
    pub what: What,
    /// When it was made.
    pub called: u64,
    /// When its outcome was known.
    pub returned: Option<u64>,
    /// The outcome, once it is known.
    pub outcome: Option<Outcome>,
}

/// The answers that have come, and were not heard yet. Clones share them.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<Vec<(usize, Outcome)>>>);

impl Answers {
    /// Takes the answers that have come.
    pub(crate) fn take(&self) -> Vec<(usize, Outcome)> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks a node, on whose runtime this is to run.
    pub(crate) fn expect(
        &self,
        number: usize,
        cluster: Arc<dyn Cluster>,
        what: What,
        planted: Option<Planted>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let answers = self.0.clone();
        async move {
            let outcome = carry_out(&*cluster, what, planted).await;
            if points::pass_reply(false) {
                return;
            }
            answers.lock().unwrap_or_else(PoisonError::into_inner).push((number, outcome));
            points::pass_reply(true);
        }
        .boxed()
    }
}

async fn carry_out(cluster: &dyn Cluster, what: What, planted: Option<Planted>) -> Outcome {
    let unavailable = |why: Unavailable| match why {
        Unavailable::NotApplied(_) => Outcome::NotApplied,
        Unavailable::Unknown(_) => Outcome::Unknown,
    };
    match what {
        What::Write(write) if planted == Some(Planted::ReplyBeforeCommit) => guessed(cluster, *write),
        What::Write(write) if planted == Some(Planted::WriteRepeated) && write.request.is_none() => {
            let (first, second) = (cluster.propose((*write).clone()).await, cluster.propose(*write).await);
            match first.or(second) {
                Ok(done) => Outcome::Answered(Box::new(done.answer), done.view.revision()),
                Err(why) => unavailable(why),
            }
        }
        What::Read(_) if planted == Some(Planted::StaleRead) => Outcome::Read(cluster.local().revision()),
        What::Write(write) => match cluster.propose(*write).await {
            Ok(done) => Outcome::Answered(Box::new(done.answer), done.view.revision()),
            Err(why) => unavailable(why),
        },
        What::Read(consistency) => match cluster.read(consistency, None).await {
            Ok(read) => Outcome::Read(read.view.revision()),
            Err(why) => unavailable(why),
        },
        What::Events(from) => match cluster.events(from, PAGE).await {
            Ok(page) => Outcome::Events(Box::new(page)),
            Err(_) => Outcome::NotApplied,
        },
        What::Beat(session) => match cluster.heartbeat(session).await {
            Ok(lives) => Outcome::Beat(lives),
            Err(why) => unavailable(why),
        },
    }
}

/// The answer that a write would have if nothing else was written: a planted defect.
fn guessed(cluster: &dyn Cluster, write: WriteRequest) -> Outcome {
    let view = cluster.local();
    let mut state = view.state().clone();
    let stamp = Stamp { cluster: state.clock().cluster, wall: cluster.wall() };
    let WriteRequest { command, actor, acting, .. } = write;
    let revision = Revision(view.revision().0 + 1);
    let answer =
        nexus_domain::apply(&mut state, revision, &Proposal { command, actor, acting, request: None, stamp })
            .answer;
    Outcome::Answered(Box::new(answer), revision)
}
