//! The plan of a change of the membership, on the wire.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The voters of the cluster, now or after a change, and how many of them may be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voters {
    /// The ids of the voters.
    pub voters: Vec<u64>,
    /// How many of them a write needs.
    pub quorum: u64,
    /// Those of them that answer the leader now.
    pub answering: Vec<u64>,
    /// How many of those that answer may be lost without stopping writes.
    pub may_lose: u64,
}

impl Voters {
    /// These voters, of which those in `answering` answer; others in it do not count.
    pub fn new(voters: &BTreeSet<u64>, answering: &BTreeSet<u64>) -> Self {
        let quorum = voters.len() as u64 / 2 + 1;
        let answering: Vec<u64> = voters.intersection(answering).copied().collect();
        let may_lose = (answering.len() as u64).saturating_sub(quorum);
        Self { voters: voters.iter().copied().collect(), quorum, answering, may_lose }
    }
}

/// The effect that a change of the membership would have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangePlan {
    /// The steps in their order, each as a sentence; none where everything is done already.
    pub steps: Vec<String>,
    /// The voters now.
    pub before: Voters,
    /// The voters after the last step.
    pub after: Voters,
}

impl ChangePlan {
    /// Whether the cluster could bear fewer losses after the change.
    pub const fn bears_fewer_losses(&self) -> bool {
        self.after.may_lose < self.before.may_lose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_voters_cannot_be_lost_again() {
        let voters = |count: u64, silent: &[u64]| {
            let voters: BTreeSet<u64> = (1..=count).collect();
            let answering = voters.iter().copied().filter(|id| !silent.contains(id)).collect();
            Voters::new(&voters, &answering)
        };
        assert_eq!((voters(1, &[]).quorum, voters(1, &[]).may_lose), (1, 0));
        assert_eq!((voters(3, &[]).quorum, voters(3, &[]).may_lose), (2, 1));
        assert_eq!((voters(3, &[2]).answering, voters(3, &[2]).may_lose), (vec![1, 3], 0));
        assert_eq!((voters(5, &[1, 4]).quorum, voters(5, &[1, 4]).may_lose), (3, 0));
        assert_eq!(voters(4, &[]).may_lose, 1, "an even number bears no more than the odd one below it");
    }

    #[test]
    fn to_remove_a_dead_voter_costs_nothing() {
        let (three, two) = (BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 2]));
        let plan = |answering: &[u64]| {
            let answering = answering.iter().copied().collect();
            let (before, after) = (Voters::new(&three, &answering), Voters::new(&two, &answering));
            ChangePlan { steps: Vec::new(), before, after }
        };
        assert!(plan(&[1, 2, 3]).bears_fewer_losses());
        assert!(!plan(&[1, 2]).bears_fewer_losses());
    }
}
