//! The plan of a change of the membership, on the wire.

use crate::body::{TextField, Unknown, Whole, body};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, schema::Schema},
};

/// A change of the membership that has a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedChange {
    /// The node gets a vote.
    Promote,
    /// The node loses its vote, and stays as a replica.
    Demote,
    /// The node leaves the cluster.
    Remove,
    /// The node leaves, and `by` gets a vote in its place.
    Replace,
    /// The node is drained for a restart.
    Drain,
    /// The drain of the node ends.
    Undrain,
    /// The node begins anew under another id; with `force`, although it is not fenced.
    Rebuild,
    /// Leadership moves to `to`, or to the best voter. It has no `node`.
    TransferLeader,
}

impl TextField for PlannedChange {
    type Sent = Self;

    fn from_text(text: &str) -> Result<Self, String> {
        let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
        Self::deserialize(word).map_err(|_| {
            "must be promote, demote, remove, replace, drain, undrain, rebuild or transfer_leader".to_owned()
        })
    }

    fn text_schema() -> RefOr<Schema> {
        Ref::from_schema_name(<Self as ToSchema>::name()).into()
    }

    fn text_schemas(schemas: &mut crate::body::Schemas) {
        schemas.push((<Self as ToSchema>::name().into_owned(), <Self as PartialSchema>::schema()));
    }
}

body! {
    /// Body of `POST /cluster/plan`: the change whose plan is asked for.
    pub struct PlanChange => CheckedPlanChange, Unknown::Refused {
        /// The kind of the change.
        change: PlannedChange,
        /// The id of the node that is changed.
        node: Option<Whole<1, { u64::MAX }>>,
        /// The id of the node that takes the place of that one, for `replace`.
        by: Option<Whole<1, { u64::MAX }>>,
        /// Whether the node is rebuilt although it is not fenced, for `rebuild`.
        force: Option<bool>,
        /// The id of the next leader, for `transfer_leader`; the best voter when absent.
        to: Option<Whole<1, { u64::MAX }>>,
    }
}

impl PlanChange {
    /// Asks for the plan of a change of one node.
    pub const fn of(change: PlannedChange, node: u64) -> Self {
        Self { change, node: Some(node), by: None, force: None, to: None }
    }
}

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
    fn a_change_has_the_same_name_in_both_directions() {
        for (name, change) in
            [("undrain", PlannedChange::Undrain), ("transfer_leader", PlannedChange::TransferLeader)]
        {
            assert_eq!(PlannedChange::from_text(name), Ok(change));
            let sent = serde_json::to_value(PlanChange::of(change, 3)).unwrap_or_default();
            assert_eq!(sent, serde_json::json!({ "change": name, "node": 3 }));
        }
        assert!(PlannedChange::from_text("Remove").is_err());
    }

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
