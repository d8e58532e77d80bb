//! The design holds in all states within some bounds, and the checker finds each planted mistake.

use crate::{
    Mistake::{self, *},
    cluster::{ANSWER, Cluster, FENCE, HOLDER, LEASE_LENGTH, WRITE},
};

fn check(bounds: [usize; 7], mistake: Mistake) -> Result<usize, (&'static str, String)> {
    let [time, terms, entries, copies, one, other, restarts] = bounds;
    Cluster { time, terms, entries, copies, requests: [one, other], restarts, mistake }.check()
}

fn holds(bounds: &[[usize; 7]]) {
    for bounds in bounds {
        match check(*bounds, AsDesigned) {
            Ok(states) => println!("{bounds:?}: {states} states"),
            Err((property, trace)) => panic!("violated: {property}\n{trace}"),
        }
    }
}

#[test]
fn the_design_holds() {
    holds(&[[3, 2, 3, 1, 1, 0, 0], [3, 1, 3, 1, 1, 1, 0], [1, 2, 3, 1, 1, 1, 0], [0, 3, 2, 2, 1, 1, 1]]);
}

#[test]
#[ignore = "it takes a minute"]
fn the_design_holds_in_wider_bounds() {
    holds(&[[3, 2, 3, 1, 2, 0, 0], [2, 2, 2, 1, 1, 1, 0], [0, 3, 3, 1, 2, 1, 1], [0, 3, 3, 2, 1, 1, 0]]);
}

#[test]
fn each_mistake_is_found() {
    for (mistake, bounds, expected) in [
        (LeaderUsesItsOwnClock, [2, 2, 3, 1, 1, 0, 0], LEASE_LENGTH),
        (AgentIgnoresClockRates, [3, 1, 3, 1, 1, 0, 0], LEASE_LENGTH),
        (LateHeartbeatRenews, [3, 1, 4, 1, 2, 0, 0], LEASE_LENGTH),
        (ClaimIsCheckedBeforeItIsLogged, [0, 1, 2, 1, 1, 1, 0], HOLDER),
        (FenceCountsFromTheTerm, [0, 2, 3, 1, 2, 1, 0], FENCE),
        (RepliesAreNotCached, [0, 1, 2, 2, 1, 0, 0], ANSWER),
        (AnswerComesBeforeTheCommit, [0, 2, 1, 1, 1, 0, 0], WRITE),
        (VoteIsForgotten, [0, 1, 1, 1, 1, 1, 1], WRITE),
        (EntryIsForgotten, [0, 2, 1, 1, 1, 0, 1], WRITE),
        (OldTermIsCommitted, [0, 4, 1, 1, 1, 1, 0], WRITE),
    ] {
        let Err((property, trace)) = check(bounds, mistake) else { panic!("{mistake:?} is not found") };
        println!("{mistake:?} violates: {property}\n{trace}");
        assert_eq!(property, expected, "{mistake:?}");
    }
}
