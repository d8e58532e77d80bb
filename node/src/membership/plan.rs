//! Plans changes of the membership, on the leader: their steps, the voters before and after, and every refusal. Reads
//! what the leader knows at this moment, and changes nothing. So a dry run is refused exactly where the change would
//! be.

use super::loss::Losses;
use crate::{
    node::{MAX_LAG, MemberProgress, Node},
    peer::service::{ChangeRefusal, PlannableChange, ServiceResponse},
    watch::reports::Reports,
};
use nexus_api_types::change_plan::{ChangePlan, Voters};
use nexus_domain::NodeId;
use nexus_raft_store::Member;
use openraft::ChangeMembers;
use std::{cmp::Reverse, collections::BTreeSet, fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// The answer to a change that has to wait for another one.
pub(super) const CHANGE_IN_PROGRESS: &str = "another change of the membership is under way";
/// Most nodes that took the place of each other, one after another, that are looked at.
const MAX_FORMERS: usize = 64;
/// Pause between two looks at who has answered.
const ANSWER_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// A change of the membership in Raft.
pub(super) type Changes = ChangeMembers<u64, Member>;

/// One step of a change.
#[derive(Debug)]
pub(super) enum Step {
    /// Says in the state whether a node is a replica.
    SetReplica { node: NodeId, is_replica: bool },
    /// Prepares a node for a restart, or ends that.
    Drain { node: NodeId, is_draining: bool },
    /// Hands leadership over. The next leader carries the remaining steps out.
    HandOver { from: NodeId, to: NodeId },
    /// Gives a learner a vote, and takes that of another node in the same joint step.
    AddVoter { node: NodeId, instead_of: Option<NodeId> },
    /// Takes a voter's vote. It stays as a learner.
    RemoveVote { node: NodeId },
    /// Removes a member.
    Remove { node: NodeId, is_voter: bool },
    /// Lets a member begin anew under another id, which takes its place. With `forced`, although it is not fenced.
    Rebuild { node: NodeId, forced: bool },
}

impl Step {
    /// The change of the membership in Raft, and whether a voter that it removes stays as a learner. None for a step
    /// that does not change the membership.
    pub(super) fn changes(&self) -> Option<(Changes, bool)> {
        let one = |node: &NodeId| BTreeSet::from([node.0]);
        match self {
            Self::SetReplica { .. } | Self::Drain { .. } | Self::HandOver { .. } | Self::Rebuild { .. } => {
                None
            }
            Self::AddVoter { node, instead_of: None } => Some((Changes::AddVoterIds(one(node)), false)),
            // In one joint step, so that the lost voter never counts without its replacement.
            Self::AddVoter { node, instead_of: Some(former) } => {
                let swap = vec![Changes::AddVoterIds(one(node)), Changes::RemoveVoters(one(former))];
                Some((Changes::Batch(swap), false))
            }
            Self::RemoveVote { node } => Some((Changes::RemoveVoters(one(node)), true)),
            Self::Remove { node, is_voter: true } => Some((Changes::RemoveVoters(one(node)), false)),
            Self::Remove { node, is_voter: false } => Some((Changes::RemoveNodes(one(node)), false)),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetReplica { node, is_replica: true } => {
                write!(f, "node {node} counts as a replica, which is not promoted by itself")
            }
            Self::SetReplica { node, is_replica: false } => write!(f, "node {node} is no replica any more"),
            Self::Drain { node, is_draining: true } => {
                write!(f, "node {node} is not ready any more, and closes its WebSockets")
            }
            Self::Drain { node, is_draining: false } => write!(f, "node {node} is ready again"),
            Self::HandOver { from, to } => write!(f, "leadership moves from node {from} to node {to}"),
            Self::AddVoter { node, instead_of: None } => write!(f, "node {node} gets a vote"),
            Self::AddVoter { node, instead_of: Some(former) } => {
                write!(f, "node {node} gets a vote and node {former} leaves the cluster, in one joint step")
            }
            Self::RemoveVote { node } => {
                write!(f, "node {node} loses its vote, and stays as a learner")
            }
            Self::Remove { node, .. } => write!(f, "node {node} leaves the cluster"),
            Self::Rebuild { node, .. } => write!(
                f,
                "node {node} puts its data aside, and comes back from the others under a new id, which takes its place"
            ),
        }
    }
}

/// A change that may be carried out.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The steps in their order; none where everything is done already.
    pub(super) steps: Vec<Step>,
    before: BTreeSet<u64>,
    after: BTreeSet<u64>,
    /// The voter that does not answer afterwards, until it has caught up.
    absent: Option<NodeId>,
}

/// Plans changes while this node leads. The caller holds the lock of changes.
pub(super) struct Planner {
    node: Node,
    reports: Arc<Reports>,
    losses: Arc<Losses>,
}

impl Planner {
    pub(super) const fn new(node: Node, reports: Arc<Reports>, losses: Arc<Losses>) -> Self {
        Self { node, reports, losses }
    }

    /// Plans a change.
    ///
    /// # Errors
    /// The refusal of the change.
    pub(super) async fn plan(&self, change: PlannableChange) -> Result<Plan, ServiceResponse> {
        match change {
            PlannableChange::Promote { node } => self.promote(node).await,
            PlannableChange::Demote { node } => self.demote(node).await,
            PlannableChange::Remove { node } => self.remove(node).await,
            PlannableChange::Replace { old, new } => self.replace(old, new).await,
            PlannableChange::TransferLeader { to } => self.transfer_leader(to),
            PlannableChange::Drain { node, is_draining } => self.drain(node, is_draining),
            PlannableChange::Rebuild { node, forced } => self.rebuild(node, forced).await,
        }
    }

    /// The plan for people: which voters answer now, and how many of them may be lost.
    pub(super) async fn describe(&self, plan: &Plan) -> Result<ChangePlan, ServiceResponse> {
        let asked: BTreeSet<u64> = plan.before.union(&plan.after).copied().collect();
        let answering =
            self.answers(&asked, self.node.timing.lease(), |answering| *answering == asked).await?;
        let before = Voters::new(&plan.before, &answering);
        let mut answering = answering;
        answering.retain(|voter| plan.absent.is_none_or(|absent| absent.0 != *voter));
        let after = Voters::new(&plan.after, &answering);
        Ok(ChangePlan { steps: plan.steps.iter().map(Step::to_string).collect(), before, after })
    }

    /// Makes a learner a voter, and a replica no replica any more.
    async fn promote(&self, node: NodeId) -> Result<Plan, ServiceResponse> {
        let published = self.node.published();
        let ends_replica =
            published.state.is_replica(node).then_some(Step::SetReplica { node, is_replica: false });
        let learner = self.progress_of(node)?;
        if learner.is_voter {
            return Ok(self.same_voters(ends_replica));
        }
        check_can_vote(&learner)?;
        let voters = self.node.voters();
        // A node that it replaces may itself have replaced another one, and never have got its vote.
        let instead_of = self.formers_of(node).into_iter().find(|former| voters.contains(&former.0));
        let steps = ends_replica.into_iter().chain([Step::AddVoter { node, instead_of }]);
        self.with_voters(steps, Some(node), instead_of, &format!("with node {node}")).await
    }

    /// Makes a voter a replica, and a learner too.
    async fn demote(&self, node: NodeId) -> Result<Plan, ServiceResponse> {
        let member = self.progress_of(node)?;
        let is_replica = self.node.published().state.is_replica(node);
        let becomes_replica = (!is_replica).then_some(Step::SetReplica { node, is_replica: true });
        if !member.is_voter {
            return Ok(self.same_voters(becomes_replica));
        }
        self.check_is_not_last(node)?;
        let hand_over = self.hand_over_from(node)?;
        let steps = becomes_replica.into_iter().chain(hand_over).chain([Step::RemoveVote { node }]);
        self.with_voters(steps, None, Some(node), &format!("without node {node}")).await
    }

    /// Removes a member.
    async fn remove(&self, node: NodeId) -> Result<Plan, ServiceResponse> {
        let is_voter = match self.progress_of(node) {
            Ok(progress) => progress.is_voter,
            // A retry of the removal gets the same answer.
            Err(_) if self.was_member(node) => return Ok(self.same_voters([])),
            Err(unknown) => return Err(unknown),
        };
        if !is_voter {
            return Ok(self.same_voters([Step::Remove { node, is_voter }]));
        }
        self.check_is_not_last(node)?;
        let steps = self.hand_over_from(node)?.into_iter().chain([Step::Remove { node, is_voter }]);
        self.with_voters(steps, None, Some(node), &format!("without node {node}")).await
    }

    /// Puts a learner, or a voter that was promoted meanwhile, into the place of a voter, dead or alive.
    async fn replace(&self, old: NodeId, new: NodeId) -> Result<Plan, ServiceResponse> {
        if old == new {
            return Err(refused(format!("node {old} cannot take its own place")));
        }
        let member = match self.progress_of(new) {
            Ok(member) => member,
            Err(_) if self.was_member(new) => {
                return Err(refused(format!(
                    "node {new} was removed from the cluster, and ids are never used again: let a new node join, \
                     nexus cluster add prints how"
                )));
            }
            Err(_) => {
                return Err(refused(format!(
                    "there is no node {new} yet to take the place of node {old}: let it join first, nexus cluster \
                     add prints how"
                )));
            }
        };
        let is_voter = match self.progress_of(old) {
            Ok(former) => former.is_voter,
            // A retry: what is left is the vote of the new one.
            Err(_) if self.was_member(old) => return self.promote(new).await,
            Err(unknown) => return Err(unknown),
        };
        if !is_voter {
            return Err(refused(format!(
                "node {old} has no vote that node {new} could take over: remove it with nexus cluster remove {old}"
            )));
        }
        let hand_over = self.hand_over_from(old)?;
        let when = format!("with node {new} in place of node {old}");
        if member.is_voter {
            let steps = hand_over.into_iter().chain([Step::Remove { node: old, is_voter }]);
            return self.with_voters(steps, None, Some(old), &when).await;
        }
        check_can_vote(&member)?;
        let is_replica = self.node.published().state.is_replica(new);
        let ends_replica = is_replica.then_some(Step::SetReplica { node: new, is_replica: false });
        let swap = Step::AddVoter { node: new, instead_of: Some(old) };
        let steps = hand_over.into_iter().chain(ends_replica).chain([swap]);
        self.with_voters(steps, Some(new), Some(old), &when).await
    }

    /// Hands leadership over to a voter that is alive and has caught up: `to`, or the best one.
    pub(super) fn transfer_leader(&self, to: Option<NodeId>) -> Result<Plan, ServiceResponse> {
        let from = self.node.id;
        let to = match to {
            Some(to) if to == from => return Ok(self.same_voters([])),
            Some(to) => {
                if !self.progress_of(to)?.can_lead() {
                    return Err(refused(format!(
                        "node {to} cannot lead now: it has to be a voter that answers and has caught up"
                    )));
                }
                if self.reports.is_draining(to) {
                    return Err(refused(format!(
                        "node {to} is drained and does not lead; nexus cluster drain {to} --undo ends that"
                    )));
                }
                to
            }
            None => self.best_successor()?,
        };
        Ok(self.same_voters([Step::HandOver { from, to }]))
    }

    /// Lets a fenced member begin anew, or any other with `forced`. The other voters must be a quorum without it.
    async fn rebuild(&self, node: NodeId, forced: bool) -> Result<Plan, ServiceResponse> {
        let member = match self.progress_of(node) {
            Ok(member) => member,
            // A retry: it has been replaced by now.
            Err(_) if self.is_replaced(node) => return Ok(self.same_voters([])),
            Err(_) if self.was_member(node) => {
                return Err(refused(format!(
                    "node {node} was removed from the cluster: let a new node join, nexus cluster add prints how"
                )));
            }
            Err(unknown) => return Err(unknown),
        };
        self.losses.check_rebuild(node, &self.node).map_err(refused)?;
        if !forced && self.reports.fence_of(node).is_none() {
            return Err(refused(format!(
                "node {node} is not fenced: nexus cluster status shows what each node says of itself. If it has to be \
                 rebuilt all the same, say --force"
            )));
        }
        let voters = self.node.voters();
        if member.is_voter {
            let mut others = voters.clone();
            others.remove(&node.0);
            let is_quorum = |answering: &BTreeSet<u64>| answering.len() > voters.len() / 2;
            let answering = self.answers(&others, self.node.timing.lease() * 2, is_quorum).await?;
            if !is_quorum(&answering) {
                return Err(refused(format!(
                    "without node {node}, only {} of {} voters answer: no quorum would be left. Bring a silent one \
                     back, or add a node first",
                    answering.len(),
                    voters.len()
                )));
            }
        }
        let steps = self.hand_over_from(node)?.into_iter().chain([Step::Rebuild { node, forced }]);
        Ok(Plan { absent: Some(node), ..self.same_voters(steps) })
    }

    /// Prepares a node for a restart, or ends that.
    fn drain(&self, node: NodeId, is_draining: bool) -> Result<Plan, ServiceResponse> {
        let member = self.progress_of(node)?;
        if !member.is_alive {
            return Err(refused(format!("node {node} does not answer: it can be neither drained nor used")));
        }
        let hand_over = if is_draining { self.hand_over_from(node)? } else { None };
        Ok(self.same_voters([Step::Drain { node, is_draining }].into_iter().chain(hand_over)))
    }

    /// The step before the leader gives its vote up or is restarted: a leader that is no member any more would still
    /// have to commit its own removal.
    fn hand_over_from(&self, node: NodeId) -> Result<Option<Step>, ServiceResponse> {
        if node != self.node.id {
            return Ok(None);
        }
        Ok(Some(Step::HandOver { from: node, to: self.best_successor()? }))
    }

    fn best_successor(&self) -> Result<NodeId, ServiceResponse> {
        let able = |member: &MemberProgress| {
            member.id != self.node.id && member.can_lead() && !self.reports.is_draining(member.id)
        };
        let best = self.node.members().into_iter().filter(able).min_by_key(|member| {
            let priority = self.reports.priority_of(member.id);
            (!self.reports.has_good_disk(member.id), Reverse(priority), member.lag, member.id)
        });
        let best = best.map(|best| best.id);
        best.ok_or_else(|| refused("no other voter answers, has caught up and is not drained".to_owned()))
    }

    fn same_voters(&self, steps: impl IntoIterator<Item = Step>) -> Plan {
        let voters = self.node.voters();
        Plan { steps: steps.into_iter().collect(), before: voters.clone(), after: voters, absent: None }
    }

    /// A plan that changes the voters, if a quorum of the new ones answers.
    async fn with_voters(
        &self,
        steps: impl IntoIterator<Item = Step>,
        added: Option<NodeId>,
        removed: Option<NodeId>,
        when: &str,
    ) -> Result<Plan, ServiceResponse> {
        let before = self.node.voters();
        let mut after = before.clone();
        after.extend(added.map(|node| node.0));
        after.retain(|voter| removed.is_none_or(|node| node.0 != *voter));
        self.check_quorum_of(&after, &before, when).await?;
        Ok(Plan { steps: steps.into_iter().collect(), before, after, absent: None })
    }

    /// Makes sure that a majority of these voters answers from now on: a change to voters that are gone can never be
    /// committed, and nothing after it either (etcd#6420). Also makes sure that `before` are still the voters: another
    /// change may go on although its client has disconnected.
    async fn check_quorum_of(
        &self,
        voters: &BTreeSet<u64>,
        before: &BTreeSet<u64>,
        when: &str,
    ) -> Result<(), ServiceResponse> {
        let total = voters.len();
        let is_quorum = |answering: &BTreeSet<u64>| answering.len() > total / 2;
        let answering = self.answers(voters, self.node.timing.lease() * 2, is_quorum).await?;
        if self.node.voters() != *before {
            return Err(ServiceResponse::Unavailable { reason: CHANGE_IN_PROGRESS.to_owned() });
        }
        if is_quorum(&answering) {
            return Ok(());
        }
        let silent: Vec<String> = voters.difference(&answering).map(u64::to_string).collect();
        Err(refused(format!(
            "{when}, only {} of {total} voters answer (silent: {}): no quorum would be left. \
             Bring a silent one back, or add a node first",
            answering.len(),
            silent.join(", ")
        )))
    }

    /// Those of some members that answer from now on. Waits until they are enough, and no longer than `patience`.
    async fn answers(
        &self,
        asked: &BTreeSet<u64>,
        patience: Duration,
        is_enough: impl Fn(&BTreeSet<u64>) -> bool,
    ) -> Result<BTreeSet<u64>, ServiceResponse> {
        let started = Instant::now();
        let stopped =
            |error: openraft::errors::Fatal<_>| ServiceResponse::Unavailable { reason: error.to_string() };
        self.node.raft.trigger().heartbeat().await.map_err(stopped)?;
        loop {
            let (waited, members) = (started.elapsed(), self.node.members());
            let has_answered = |member: &&MemberProgress| {
                member.id == self.node.id || member.last_seen.is_some_and(|ago| ago < waited)
            };
            let answered = members.iter().filter(has_answered).map(|member| member.id.0);
            let answering: BTreeSet<u64> = answered.filter(|id| asked.contains(id)).collect();
            if is_enough(&answering) || waited >= patience {
                return Ok(answering);
            }
            sleep(ANSWER_CHECK_INTERVAL).await;
        }
    }

    fn check_is_not_last(&self, node: NodeId) -> Result<(), ServiceResponse> {
        if self.node.voters().len() > 1 {
            return Ok(());
        }
        Err(refused(format!("node {node} is the last voter; the cluster needs it")))
    }

    /// Whether a node that is no member now was one: its id is never used again.
    fn was_member(&self, node: NodeId) -> bool {
        self.node.published().state.node(node).is_some()
    }

    /// The nodes whose place a node has taken, directly or through others, the last one first.
    pub(super) fn formers_of(&self, node: NodeId) -> Vec<NodeId> {
        let published = self.node.published();
        let place_of = |node: &NodeId| published.state.node(*node).and_then(|record| record.replaces);
        std::iter::successors(place_of(&node), place_of).take(MAX_FORMERS).collect()
    }

    /// Whether a member has taken the place of a node.
    fn is_replaced(&self, node: NodeId) -> bool {
        self.node.members().iter().any(|member| self.formers_of(member.id).contains(&node))
    }

    /// The progress of a member.
    pub(super) fn progress_of(&self, node: NodeId) -> Result<MemberProgress, ServiceResponse> {
        let found = self.node.members().into_iter().find(|member| member.id == node);
        found.ok_or(ServiceResponse::Refused(ChangeRefusal::UnknownNode(node)))
    }
}

/// Checks that a learner answers and has caught up.
fn check_can_vote(learner: &MemberProgress) -> Result<(), ServiceResponse> {
    let node = learner.id;
    if !learner.is_alive {
        return Err(refused(format!("node {node} does not answer: as a voter it could cost the quorum")));
    }
    let lag = learner.lag.unwrap_or(u64::MAX);
    if lag > MAX_LAG {
        return Err(refused(format!(
            "node {node} is {lag} entries behind: try again once it has caught up, or wait, since it becomes a voter by \
             itself unless it is a replica"
        )));
    }
    Ok(())
}

/// The answer that refuses a change.
pub(super) fn refused(why: String) -> ServiceResponse {
    ServiceResponse::Refused(ChangeRefusal::Unsafe(why))
}
