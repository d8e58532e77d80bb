//! Changes the membership, on the leader: carries out what `plan` has found to be safe, through joint consensus where
//! voters change.

use super::loss::Losses;
use crate::{
    membership::plan::{CHANGE_IN_PROGRESS, Changes, Plan, Planner, Step, refused},
    node::{MemberProgress, Node},
    peer::{
        PeerClient, PeerTarget, Welcome,
        service::{ChangeRefusal, MembershipRequest, PlannableChange, ServiceRequest, ServiceResponse},
    },
    proposer::{ProposeOutcome, Proposer},
    watch::reports::Reports,
};
use futures::future::join_all;
use nexus_domain::{
    Answer, Command, NodeId, Refusal, Reply, command, entity::TokenDigest, short_text::Label,
};
use nexus_raft_store::{LogId, Member, TypeConfig};
use openraft::{
    async_runtime::watch::WatchReceiver,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{timeout, timeout_at},
};

/// The outcome of a change that takes longer counts as unknown.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a joining node may take to answer when the leader dials it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a node may take to answer that it is drained.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Changes the membership while this node leads.
pub(crate) struct Membership {
    pub(super) node: Node,
    pub(super) peers: PeerClient,
    proposer: Arc<Proposer>,
    pub(super) reports: Arc<Reports>,
    pub(super) planner: Planner,
    /// Held from reading the voters to the end of their change: two changes at once, each safe for the voters that it
    /// read, may together cost the quorum.
    pub(super) change: Mutex<()>,
    pub(super) losses: Arc<Losses>,
}

impl Membership {
    /// A membership that nothing changes yet.
    pub(crate) fn new(node: Node, peers: PeerClient, proposer: Arc<Proposer>, reports: Arc<Reports>) -> Self {
        let (change, losses) = (Mutex::default(), Arc::<Losses>::default());
        let planner = Planner::new(node.clone(), reports.clone(), losses.clone());
        Self { node, peers, proposer, reports, planner, change, losses }
    }

    /// Keeps the membership as it is while the guard lives; none while a change is under way.
    pub(crate) fn try_freeze(&self) -> Option<MutexGuard<'_, ()>> {
        self.change.try_lock().ok()
    }

    /// Permits a node to fence itself for damage that it has found alone.
    ///
    /// # Errors
    /// The reason why not, in a sentence.
    pub(crate) fn may_lose(&self, node: NodeId) -> Result<(), String> {
        // The voters stay the same meanwhile.
        let _guard = self.try_freeze().ok_or_else(|| CHANGE_IN_PROGRESS.to_owned())?;
        self.losses.permit(node, &self.node, &self.reports)
    }

    /// Carries out a change of the membership, if this node leads.
    pub(crate) async fn change(&self, request: MembershipRequest) -> ServiceResponse {
        if !self.node.leads() {
            return ServiceResponse::NotLeader { leader: self.node.leader_id() };
        }
        let outcome = match request {
            MembershipRequest::Join { token, replaces, member } => {
                self.join(token, replaces, member, false).await
            }
            MembershipRequest::JoinAsReplica { token, member } => {
                self.join(Some(token), None, member, true).await
            }
            MembershipRequest::TransferLeader { to } => self.transfer_leader(to).await,
            MembershipRequest::Plan(change) => self.dry_run(change).await,
            request @ (MembershipRequest::Promote { .. }
            | MembershipRequest::Demote { .. }
            | MembershipRequest::Remove { .. }
            | MembershipRequest::Replace { .. }
            | MembershipRequest::Rebuild { .. }
            | MembershipRequest::Drain { .. }) => match request.plannable() {
                Some(change) => self.plan_and_carry_out(change).await,
                None => Err(refused("this has no plan".to_owned())),
            },
        };
        outcome.unwrap_or_else(|failed| failed)
    }

    async fn plan_and_carry_out(&self, change: PlannableChange) -> Result<ServiceResponse, ServiceResponse> {
        let _guard = self.change.lock().await;
        let plan = self.planner.plan(change).await?;
        self.carry_out(plan).await
    }

    /// Answers with the plan of a change. It is made under the lock, so that it is that of no half-done change.
    async fn dry_run(&self, change: PlannableChange) -> Result<ServiceResponse, ServiceResponse> {
        let _guard = self.change.lock().await;
        let plan = self.planner.plan(change).await?;
        let described = self.planner.describe(&plan).await?;
        Ok(ServiceResponse::Plan(
            serde_json::to_string(&described).expect("a plan has no map with other keys than texts"),
        ))
    }

    /// Refuses a node whose program is too old to apply the log of this cluster.
    fn check_rules(&self, welcome: &Welcome) -> Result<(), ServiceResponse> {
        let rules = self.node.published().state.rules();
        if welcome.rules >= rules {
            return Ok(());
        }
        Err(refused(format!(
            "the new node runs Nexus {}, which knows rules up to version {}, and this cluster goes by version {rules}: \
             start it with the program that the others run",
            welcome.version, welcome.rules
        )))
    }

    /// Adds a joining node as a learner. A repeated request for the same data folder gets the same id. A replica that
    /// lost its data comes back as one. Those that it replaces leave, unless they have a vote.
    async fn join(
        &self,
        token: Option<TokenDigest>,
        replaces: Option<NodeId>,
        member: Member,
        wants_replica: bool,
    ) -> Result<ServiceResponse, ServiceResponse> {
        // A caller without a token must not make this node dial addresses of its choice.
        let is_known = token.is_none_or(|digest| self.node.published().state.join_token(digest).is_some());
        if !is_known {
            return Err(ServiceResponse::Refused(ChangeRefusal::BadToken));
        }
        // Before a token is used up: does the node answer, is it the one that asked, and can it apply this log?
        let welcome = self.peers.probe(&member.peer_addr, PROBE_TIMEOUT).await.map_err(|error| {
            refused(format!("cannot reach the new node at its peer address {}: {error}", member.peer_addr))
        })?;
        if welcome.instance != member.instance {
            return Err(refused(format!("another node answers at {}", member.peer_addr)));
        }
        self.check_rules(&welcome)?;
        let label = |text: &str| Label::parse(text).map_err(|problem| refused(format!("address {problem}")));
        let command = command::AdmitNode {
            instance: member.instance,
            peer_addr: label(&member.peer_addr)?,
            client_addr: label(&member.client_addr)?,
            token,
            replaces,
        };
        let answer = self.propose(command).await?;
        let id = match answer.outcome {
            Ok(Reply::Node(record)) => record.id,
            Err(Refusal::JoinTokenInvalid) => return Err(ServiceResponse::Refused(ChangeRefusal::BadToken)),
            Err(refusal) => return Err(refused(refusal.to_string())),
            Ok(other) => return Err(refused(format!("an answer to something else: {other:?}"))),
        };
        let _guard = self.change.lock().await;
        // The rules may have been raised meanwhile. While the lock is held, they are not.
        self.check_rules(&welcome)?;
        let was_replica = replaces.is_some_and(|former| self.node.published().state.is_replica(former));
        let is_replica = wants_replica || was_replica;
        if self.node.member(id).is_none() {
            if is_replica {
                // Before it is a learner, which would be promoted.
                self.set_replica(id, true).await?;
            }
            let joins = Changes::AddNodes(BTreeMap::from([(id.0, member)]));
            let voters = self.node.voters();
            // A former node with a vote leaves when this one gets its vote.
            let leaves: BTreeSet<u64> = replaces
                .into_iter()
                .chain(self.planner.formers_of(id))
                .filter(|former| self.node.member(*former).is_some() && !voters.contains(&former.0))
                .map(|former| former.0)
                .collect();
            let change = if leaves.is_empty() {
                joins
            } else {
                Changes::Batch(vec![joins, Changes::RemoveNodes(leaves)])
            };
            self.change_members(change, false).await?;
            tracing::info!(node = %id, is_replica, "a learner joined");
        }
        Ok(ServiceResponse::Joined(id))
    }

    /// Carries a plan out, step by step. The caller holds the lock of changes.
    async fn carry_out(&self, plan: Plan) -> Result<ServiceResponse, ServiceResponse> {
        let mut done = ServiceResponse::Done;
        let mut steps = plan.steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::SetReplica { node, is_replica } => self.set_replica(node, is_replica).await?,
                Step::Drain { node, is_draining } => self.set_draining(node, is_draining).await?,
                Step::HandOver { to, .. } => {
                    done = self.hand_over(to).await?;
                    if steps.peek().is_some() {
                        // The next leader plans the rest anew.
                        return Err(ServiceResponse::NotLeader { leader: self.node.leader_id() });
                    }
                }
                Step::Rebuild { node, forced } => done = self.order_rebuild(node, forced).await?,
                Step::AddVoter { .. } | Step::RemoveVote { .. } | Step::Remove { .. } => {
                    let sentence = step.to_string();
                    if let Some((change, stays)) = step.changes() {
                        self.change_members(change, stays).await?;
                    }
                    tracing::info!("the membership changed: {sentence}");
                }
            }
        }
        Ok(done)
    }

    /// Says in the state whether a node is a replica, by an entry of the log.
    async fn set_replica(&self, node: NodeId, is_replica: bool) -> Result<(), ServiceResponse> {
        let command = command::SetReplica { node, is_replica };
        let answer = self.propose(command).await?;
        answer.outcome.map(drop).map_err(|refusal| refused(refusal.to_string()))
    }

    /// Says to all members that answer that a node is drained, or not any more.
    async fn set_draining(&self, node: NodeId, is_draining: bool) -> Result<(), ServiceResponse> {
        self.reports.set_draining(node, is_draining);
        let members = self.node.members().into_iter();
        let others = members.filter(|member| member.is_alive && member.id != self.node.id);
        let asked = others.map(|other| async move {
            let target = PeerTarget::member(other.id.0, &other.member);
            let request = ServiceRequest::Drain { node, is_draining };
            (other.id, self.peers.request(&target, request, DRAIN_TIMEOUT).await)
        });
        // The others hear of it by the next report, too.
        match join_all(asked).await.into_iter().find(|(id, _)| *id == node) {
            None | Some((_, Ok(ServiceResponse::Done))) => Ok(()),
            Some((_, answer)) => Err(ServiceResponse::OutcomeUnknown {
                reason: format!("node {node} does not confirm it: {answer:?}"),
            }),
        }
    }

    /// Proposes a command of the cluster itself.
    async fn propose(&self, command: impl Into<Command>) -> Result<Answer, ServiceResponse> {
        match self.proposer.propose_as_system(command, self.node.deadline()).await {
            ProposeOutcome::Applied(answer) => Ok(answer),
            ProposeOutcome::Refused(reason) => Err(ServiceResponse::Unavailable { reason }),
            ProposeOutcome::NotProposed(_) => {
                Err(ServiceResponse::NotLeader { leader: self.node.leader_id() })
            }
            ProposeOutcome::Unknown(reason) => Err(ServiceResponse::OutcomeUnknown { reason }),
        }
    }

    /// Hands leadership over to a voter that is alive and has caught up: `to`, or the best one. Changes nothing else,
    /// so that it need not wait for a change.
    pub(crate) async fn transfer_leader(
        &self,
        to: Option<NodeId>,
    ) -> Result<ServiceResponse, ServiceResponse> {
        match self.planner.transfer_leader(to)?.steps.first() {
            Some(Step::HandOver { to, .. }) => self.hand_over(*to).await,
            Some(_) | None => Ok(ServiceResponse::Leads(self.node.id)),
        }
    }

    async fn hand_over(&self, to: NodeId) -> Result<ServiceResponse, ServiceResponse> {
        self.node.raft.trigger().transfer_leader(to.0).await.map_err(stopped)?;
        let mut metrics = self.node.raft.metrics();
        let deadline = self.node.deadline();
        loop {
            let leader = metrics.borrow_watched().current_leader;
            if leader.is_some_and(|leader| leader != self.node.id.0) {
                return Ok(ServiceResponse::Leads(NodeId(leader.unwrap_or(to.0))));
            }
            match timeout_at(deadline, metrics.changed()).await {
                Ok(Ok(())) => {}
                _ => {
                    return Err(ServiceResponse::OutcomeUnknown {
                        reason: format!(
                            "node {to} did not take over in time; nexus cluster status shows who leads"
                        ),
                    });
                }
            }
        }
    }

    /// Completes a change of the voters that is half done, since its leader was lost or no quorum answered in time:
    /// until then a majority of those before it is needed, too, and a lost voter counts among them. Called regularly.
    pub(crate) async fn complete_change(&self) {
        // Requested changes go first; they complete it, too.
        let Some(_guard) = self.try_freeze() else { return };
        let (metrics, published) = (self.node.metrics(), self.node.published());
        let membership = metrics.membership_config.membership();
        let [_, .., last] = membership.get_joint_config().as_slice() else { return };
        // The state says who is a replica: it must not be older than the change.
        let index = |id: Option<LogId>| id.map(|id| id.index);
        if index(published.applied()) < index(*metrics.membership_config.log_id()) {
            return;
        }
        // Whoever only gives its vote up was made a replica before, and stays.
        let stays = membership
            .voter_ids()
            .filter(|id| !last.contains(id))
            .all(|id| published.state.is_replica(NodeId(id)));
        // Adds nobody: from two configurations, this leads to the last one of them.
        match self.change_members(Changes::AddVoterIds(BTreeSet::new()), stays).await {
            Ok(()) => tracing::info!("a half-done change of the voters is complete"),
            Err(why) => tracing::warn!(?why, "a half-done change of the voters could not be completed yet"),
        }
    }

    /// Makes one learner a voter that has caught up and is no replica. Called regularly.
    pub(crate) async fn promote_learners(&self) {
        // Requested changes go first; the next call tries again.
        let Some(_guard) = self.try_freeze() else { return };
        let (members, published) = (self.node.members(), self.node.published());
        let is_due = |member: &&MemberProgress| {
            !member.is_voter && member.has_caught_up() && !published.state.is_replica(member.id)
        };
        let Some(node) = members.iter().filter(is_due).map(|member| member.id).min() else { return };
        let promoted = async {
            let plan = self.planner.plan(PlannableChange::Promote { node }).await?;
            self.carry_out(plan).await
        };
        if let Err(why) = promoted.await {
            tracing::warn!(%node, ?why, "a learner could not become a voter yet");
        }
    }

    /// Changes the membership in Raft. `stays` says whether a voter that is removed stays as a learner.
    async fn change_members(&self, change: Changes, stays: bool) -> Result<(), ServiceResponse> {
        match timeout(CHANGE_TIMEOUT, self.node.raft.change_membership(change, stays)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.explain(error)),
            Err(_) => Err(ServiceResponse::OutcomeUnknown {
                reason: "the change was proposed, but no quorum has confirmed it yet; nexus cluster status \
                         shows what became of it"
                    .to_owned(),
            }),
        }
    }

    fn explain(&self, error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ServiceResponse {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => {
                ServiceResponse::NotLeader { leader: self.node.leader_id() }
            }
            RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_),
            )) => ServiceResponse::Unavailable { reason: CHANGE_IN_PROGRESS.to_owned() },
            RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => refused(error.to_string()),
            RaftError::APIError(error) => ServiceResponse::OutcomeUnknown { reason: error.to_string() },
            RaftError::Fatal(error) => stopped(error),
        }
    }
}

fn stopped(error: impl std::fmt::Display) -> ServiceResponse {
    ServiceResponse::Unavailable { reason: error.to_string() }
}
