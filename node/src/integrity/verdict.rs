//! Decides from the state hashes of the voters after one entry whether the state of this node is wrong. Pure: it asks
//! nobody, and does nothing.
//!
//! A node counts as wrong only if a majority of the voters has one and the same other hash after that entry; while the
//! voters change, a majority of both sets. So a majority can never be found wrong, whatever is asked or answered:
//!
//! - Two majorities share a voter, and a voter has one hash after an entry. So at most one hash has a majority.
//! - A voter that is found wrong has another hash than that. So those found wrong are outside of this majority.
//! - A hash covers all entries before. So states that differ once differ for ever, and a majority at a later entry is a
//!   part of the one at an earlier entry.

use std::collections::{BTreeMap, BTreeSet};

/// The finding about this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The state of this node is wrong: these voters have another one.
    Wrong {
        /// The hash that they have.
        theirs: u64,
        /// The voters that have it.
        nodes: Vec<u64>,
    },
    /// No majority of the voters has another hash: this node may be right, or too few have answered.
    Open,
}

/// Decides about a node with this hash. `others` has the hashes of other nodes after the same entry, and `configs` the
/// sets of voters, of which there are two while they change.
pub(super) fn judge(ours: u64, others: &BTreeMap<u64, u64>, configs: &[BTreeSet<u64>]) -> Verdict {
    let candidates: BTreeSet<u64> = others.values().copied().filter(|hash| *hash != ours).collect();
    let is_majority = |hash: u64, voters: &BTreeSet<u64>| {
        let agree = voters.iter().filter(|voter| others.get(voter) == Some(&hash)).count();
        agree > voters.len() / 2
    };
    let found = candidates.into_iter().find(|hash| configs.iter().all(|voters| is_majority(*hash, voters)));
    match found.filter(|_| !configs.is_empty()) {
        Some(theirs) => {
            let nodes = others.iter().filter(|(_, hash)| **hash == theirs).map(|(node, _)| *node).collect();
            Verdict::Wrong { theirs, nodes }
        }
        None => Verdict::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All functions from `nodes` nodes to `values` values.
    fn assignments(nodes: u32, values: u64) -> impl Iterator<Item = Vec<u64>> {
        (0..values.pow(nodes))
            .map(move |number| (0..nodes).map(|at| number / values.pow(at) % values).collect())
    }

    /// Every assignment of hashes to up to six nodes, each of which hears any part of the others, with every pair of
    /// old and new voters.
    #[test]
    fn whatever_is_heard_those_who_fence_themselves_are_a_minority_of_the_voters() {
        for nodes in 1..=5_u32 {
            let all: BTreeSet<u64> = (0..u64::from(nodes)).collect();
            let sets: Vec<BTreeSet<u64>> = (1..1_u64 << nodes)
                .map(|chosen| all.iter().copied().filter(|node| chosen >> node & 1 == 1).collect())
                .collect();
            for hashes in assignments(nodes, 3) {
                for (old, new) in sets.iter().flat_map(|old| sets.iter().map(move |new| (old, new))) {
                    let configs = [old.clone(), new.clone()];
                    // To hear all is the worst case: a node that hears fewer finds no more majorities.
                    let is_wrong = |node: &u64| {
                        let at = |node: u64| hashes[usize::try_from(node).unwrap_or_default()];
                        let others =
                            all.iter().filter(|other| *other != node).map(|other| (*other, at(*other)));
                        judge(at(*node), &others.collect(), &configs) != Verdict::Open
                    };
                    for voters in &configs {
                        let wrong = voters.iter().filter(|node| is_wrong(node)).count();
                        assert!(
                            wrong * 2 < voters.len(),
                            "{wrong} of {voters:?} fence themselves: {hashes:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn who_hears_fewer_finds_no_more_majorities() {
        let voters = [BTreeSet::from([1, 2, 3, 4, 5])];
        let all = BTreeMap::from([(2, 7), (3, 7), (4, 7), (5, 8)]);
        assert_eq!(judge(1, &all, &voters), Verdict::Wrong { theirs: 7, nodes: vec![2, 3, 4] });
        for missing in [2, 3, 4] {
            let mut heard = all.clone();
            heard.remove(&missing);
            assert_eq!(judge(1, &heard, &voters), Verdict::Open);
        }
    }

    #[test]
    fn of_two_nodes_and_in_a_tie_nobody_is_found_wrong() {
        let two = [BTreeSet::from([1, 2])];
        assert_eq!(judge(1, &BTreeMap::from([(2, 9)]), &two), Verdict::Open);
        let four = [BTreeSet::from([1, 2, 3, 4])];
        assert_eq!(judge(1, &BTreeMap::from([(2, 1), (3, 9), (4, 9)]), &four), Verdict::Open);
        // Three different states: nobody knows which is right.
        let three = [BTreeSet::from([1, 2, 3])];
        assert_eq!(judge(1, &BTreeMap::from([(2, 8), (3, 9)]), &three), Verdict::Open);
        assert_eq!(judge(1, &BTreeMap::from([(2, 9), (3, 9)]), &[]), Verdict::Open);
    }

    #[test]
    fn what_nodes_without_a_vote_have_counts_for_nothing() {
        let voters = [BTreeSet::from([1, 2, 3])];
        let others = BTreeMap::from([(2, 9), (7, 9), (8, 9)]);
        assert_eq!(judge(1, &others, &voters), Verdict::Open);
        // A learner itself is judged by the voters.
        let others = BTreeMap::from([(2, 9), (3, 9)]);
        assert_eq!(judge(1, &others, &voters), Verdict::Wrong { theirs: 9, nodes: vec![2, 3] });
    }
}
