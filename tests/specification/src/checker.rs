//! A small explicit-state model checker. It visits every reachable state once, breadth first, so that a counterexample
//! is a shortest one. Of a visited state it keeps a fingerprint of 64 bits, as TLC does (Yu, Manolios and Lamport,
//! "Model Checking TLA+ Specifications"): among a million states, two are taken for one with a chance of 1 in 10^7.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
};

fn fingerprint(state: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(state)
}

/// Visits all states that steps lead to, and returns their number.
///
/// # Errors
/// The first violated property, with the steps to a state that violates it, and that state.
pub(crate) fn check<State: Clone + Hash + Debug, Action: Debug>(
    start: State,
    steps: impl Fn(&State) -> Vec<(Action, State)>,
    violated: impl Fn(&State) -> Option<&'static str>,
) -> Result<usize, (&'static str, String)> {
    // Each visited state has the one before it, by their fingerprints.
    let mut visited = HashMap::from([(fingerprint(&start), None)]);
    let mut waiting = VecDeque::from([start.clone()]);
    while let Some(state) = waiting.pop_front() {
        let here = fingerprint(&state);
        if let Some(property) = violated(&state) {
            // The way to this state is found again by its fingerprints.
            let way: Vec<u64> = std::iter::successors(Some(here), |at| visited[at]).collect();
            let (mut at, mut trace) = (start, String::new());
            for next in way.into_iter().rev().skip(1) {
                let found = steps(&at).into_iter().find(|(_, after)| fingerprint(after) == next);
                let (action, after) = found.expect("it was found before");
                trace += &format!("{action:?}\n");
                at = after;
            }
            return Err((property, format!("{trace}{state:#?}")));
        }
        for (_, next) in steps(&state) {
            visited.entry(fingerprint(&next)).or_insert_with(|| {
                waiting.push_back(next);
                Some(here)
            });
        }
    }
    Ok(visited.len())
}
