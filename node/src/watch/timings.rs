//! Counts how long requests of a node take, and its elections, since its start, for metrics. All of it is atomics that
//! many tasks share; nothing decides by it.

use crate::raft::setup::Raft;
use nexus_raft_store::LatencyHistogram;
use openraft::{ServerState, async_runtime::watch::WatchReceiver};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The measurements of one node.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    /// Times from the proposal of an entry on the leader until it was committed and applied there.
    pub(crate) commit: LatencyHistogram,
    /// Times from the sending of a request to the leader until its answer, or its failure.
    pub(crate) forward: LatencyHistogram,
    /// Times that linearizable reads waited for their index, or for a failure.
    pub(crate) read_index: LatencyHistogram,
    elections_won: AtomicU64,
    elections_lost: AtomicU64,
}

impl Timings {
    /// Elections in which this node stood and won.
    pub(crate) fn elections_won(&self) -> u64 {
        self.elections_won.load(Ordering::Relaxed)
    }

    /// Elections in which this node stood and did not win: another node did, or nobody.
    pub(crate) fn elections_lost(&self) -> u64 {
        self.elections_lost.load(Ordering::Relaxed)
    }

    fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Won => &self.elections_won,
            Outcome::Lost => &self.elections_lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the elections in which this node stands, until its Raft stops.
pub(crate) fn count_elections(raft: &Raft, timings: Arc<Timings>) -> impl Future<Output = ()> + use<> {
    let mut metrics = raft.server_metrics();
    async move {
        let mut candidacy = Candidacy::default();
        loop {
            let outcome = {
                let now = metrics.borrow_watched();
                candidacy.observe(now.state, now.vote.leader_id.term)
            };
            if let Some(outcome) = outcome {
                timings.count(outcome);
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Won,
    Lost,
}

/// The terms in which this node stood and led last, from which the outcomes of elections follow.
#[derive(Debug, Default)]
struct Candidacy {
    stands_in: Option<u64>,
    led: Option<u64>,
}

impl Candidacy {
    /// The outcome of an election that this observation ends. Observations may skip states that passed quickly.
    fn observe(&mut self, state: ServerState, term: u64) -> Option<Outcome> {
        match state {
            ServerState::Candidate => {
                let earlier = self.stands_in.replace(term);
                earlier.is_some_and(|earlier| earlier != term).then_some(Outcome::Lost)
            }
            ServerState::Leader => {
                self.stands_in = None;
                (self.led.replace(term) != Some(term)).then_some(Outcome::Won)
            }
            ServerState::Follower | ServerState::Learner | ServerState::Shutdown => {
                self.stands_in.take().map(|_| Outcome::Lost)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Outcome::{Lost, Won},
        *,
    };
    use ServerState::{Candidate, Follower, Leader};

    #[test]
    fn every_election_is_counted_once_for_a_node_that_stands() {
        let mut candidacy = Candidacy::default();
        for (state, term, outcome) in [
            (Follower, 1, None),
            // Two elections without a winner, and then another node wins.
            (Candidate, 2, None),
            (Candidate, 2, None),
            (Candidate, 3, Some(Lost)),
            (Follower, 3, Some(Lost)),
            (Follower, 4, None),
            (Candidate, 5, None),
            (Leader, 5, Some(Won)),
            (Leader, 5, None),
            (Follower, 6, None),
            // The candidate was not seen.
            (Leader, 7, Some(Won)),
        ] {
            assert_eq!(candidacy.observe(state, term), outcome, "{state:?} in term {term}");
        }
    }
}
