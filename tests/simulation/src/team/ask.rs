//! Requests to a node, and what became of them.

use super::people::{PATHS, PROJECT, People};
use crate::{planted::Planted, world::points};
use futures::FutureExt;
use nexus_api::cluster::{Cluster, Consistency, History, Unavailable, View, WriteRequest};
use nexus_domain::{
    Answer, Proposal, Revision, SessionId, Stamp,
    entity::{ClaimMode, Status},
};
use nexus_oracles::history::{Held, feature_name};
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
    /// A read returned the state of this revision, with these holders.
    Read(Revision, Box<Holdings>),
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

/// The holders of everything, as a read shows them.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// The features that there are, and the paths that anybody might hold.
    pub of: Vec<String>,
    /// Those that are held, each with one of its holders.
    pub held: Vec<Held>,
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
        What::Read(_) if planted == Some(Planted::StaleRead) => shown(&*cluster.local()),
        What::Write(write) => match cluster.propose(*write).await {
            Ok(done) => Outcome::Answered(Box::new(done.answer), done.view.revision()),
            Err(why) => unavailable(why),
        },
        What::Read(consistency) => match cluster.read(consistency, None).await {
            Ok(read) => shown(&*read.view),
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

/// The outcome for a client that reads this state.
fn shown(view: &dyn View) -> Outcome {
    let state = view.state();
    let all: Vec<usize> = (0..PATHS.len()).collect();
    let mut of: Vec<String> = People.paths(&all).iter().map(|path| path.as_str().to_owned()).collect();
    let mut held = Vec::new();
    for feature in state.features().filter(|feature| feature.project == PROJECT) {
        let name = feature_name(feature.slug.as_str());
        of.push(name.clone());
        if let Status::Active { holder, fence, .. } = &feature.status {
            let (by, fence) = (Some(holder.session.to_string()), Some(fence.0));
            held.push(Held { name, by, exclusive: true, fence });
        }
    }
    for (key, claim) in state.claims_in(PROJECT) {
        held.push(Held {
            name: key.path.as_str().to_owned(),
            by: Some(key.session.to_string()),
            exclusive: claim.mode == ClaimMode::Exclusive,
            fence: Some(claim.fence.0),
        });
    }
    Outcome::Read(view.revision(), Box::new(Holdings { of, held }))
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
