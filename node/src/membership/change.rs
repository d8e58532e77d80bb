//! Changes the membership, on the leader. Each change keeps a quorum alive, and goes through joint consensus where
//! voters change.

use super::loss::Losses;
use crate::{
    node::{MAX_LAG, MemberProgress, Node},
    peer::{
        PeerClient, Welcome,
        service::{ChangeRefusal, MembershipRequest, ServiceResponse},
    },
    proposer::{ProposeOutcome, Proposer},
    watch::reports::Reports,
};
use nexus_domain::{NodeId, Refusal, Reply, command, entity::TokenDigest, short_text::Label};
use nexus_raft_store::{Member, TypeConfig};
use openraft::{
    ChangeMembers,
    async_runtime::watch::WatchReceiver,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout, timeout_at},
};

/// The outcome of a change that takes longer counts as unknown.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a joining node may take to answer when the leader dials it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The answer to a change that has to wait for another one.
const CHANGE_IN_PROGRESS: &str = "another change of the membership is under way";

type Changes = ChangeMembers<u64, Member>;

/// Changes the membership while this node leads.
pub(crate) struct Membership {
    pub(super) node: Node,
    pub(super) peers: PeerClient,
    proposer: Arc<Proposer>,
    pub(super) reports: Arc<Reports>,
    /// Held from reading the voters to the end of their change: two changes at once, each safe for the voters that it
    /// read, may together cost the quorum.
    pub(super) change: Mutex<()>,
    losses: Losses,
}

impl Membership {
    /// A membership that nothing changes yet.
    pub(crate) fn new(node: Node, peers: PeerClient, proposer: Arc<Proposer>, reports: Arc<Reports>) -> Self {
        Self { node, peers, proposer, reports, change: Mutex::default(), losses: Losses::default() }
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
        self.losses.permit(node, &self.node)
    }

    /// Carries out a change of the membership, if this node leads.
    pub(crate) async fn change(&self, request: MembershipRequest) -> ServiceResponse {
        if !self.node.leads() {
            return ServiceResponse::NotLeader { leader: self.node.leader_id() };
        }
        let outcome = match request {
            MembershipRequest::Join { token, replaces, member } => self.join(token, replaces, member).await,
            MembershipRequest::Promote { node } => self.promote(node).await,
            MembershipRequest::Remove { node } => self.remove(node).await,
            MembershipRequest::TransferLeader { to } => self.transfer_leader(to).await,
            MembershipRequest::Rebuild { node, forced } => self.rebuild(node, forced).await,
        };
        outcome.unwrap_or_else(|failed| failed)
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

    /// Adds a joining node as a learner. A repeated request for the same data folder gets the same id.
    async fn join(
        &self,
        token: Option<TokenDigest>,
        replaces: Option<NodeId>,
        member: Member,
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
        let deadline = self.node.deadline();
        let answer = match self.proposer.propose_as_system(command, deadline).await {
            ProposeOutcome::Applied(answer) => answer,
            ProposeOutcome::Refused(reason) => return Err(ServiceResponse::Unavailable { reason }),
            ProposeOutcome::NotProposed(_) => {
                return Err(ServiceResponse::NotLeader { leader: self.node.leader_id() });
            }
            ProposeOutcome::Unknown(reason) => return Err(ServiceResponse::OutcomeUnknown { reason }),
        };
        let id = match answer.outcome {
            Ok(Reply::Node(record)) => record.id,
            Err(Refusal::JoinTokenInvalid) => return Err(ServiceResponse::Refused(ChangeRefusal::BadToken)),
            Err(refusal) => return Err(refused(refusal.to_string())),
            Ok(other) => return Err(refused(format!("an answer to something else: {other:?}"))),
        };
        let _guard = self.change.lock().await;
        // The rules may have been raised meanwhile. While the lock is held, they are not.
        self.check_rules(&welcome)?;
        if self.node.member(id).is_none() {
            self.change_members(ChangeMembers::AddNodes(BTreeMap::from([(id.0, member)]))).await?;
            tracing::info!(node = %id, "a learner joined");
        }
        Ok(ServiceResponse::Joined(id))
    }

    /// Makes a learner a voter.
    async fn promote(&self, node: NodeId) -> Result<ServiceResponse, ServiceResponse> {
        let _guard = self.change.lock().await;
        let learner = self.progress_of(node)?;
        if learner.is_voter {
            return Ok(ServiceResponse::Done);
        }
        if !learner.is_alive {
            return Err(refused(format!("node {node} does not answer: as a voter it could cost the quorum")));
        }
        let lag = learner.lag.unwrap_or(u64::MAX);
        if lag > MAX_LAG {
            return Err(refused(format!(
                "node {node} is {lag} entries behind: it becomes a voter by itself once it has caught up"
            )));
        }
        self.make_voter(node).await?;
        Ok(ServiceResponse::Done)
    }

    /// Makes a learner a voter. The caller holds the lock of changes.
    async fn make_voter(&self, node: NodeId) -> Result<(), ServiceResponse> {
        let voters = ChangeMembers::AddVoterIds(BTreeSet::from([node.0]));
        let published = self.node.published();
        let replaced = published.state.node(node).and_then(|record| record.replaces);
        let replaced = replaced.filter(|former| self.node.member(*former).is_some());
        let before = self.node.voters();
        let mut after = before.clone();
        after.insert(node.0);
        if let Some(former) = replaced {
            after.remove(&former.0);
        }
        self.check_quorum_of(&after, &before, &format!("with node {node}")).await?;
        let change = match replaced {
            // In one joint step, so that the lost voter never counts without its replacement.
            Some(former) => {
                ChangeMembers::Batch(vec![voters, ChangeMembers::RemoveVoters(BTreeSet::from([former.0]))])
            }
            None => voters,
        };
        self.change_members(change).await?;
        tracing::info!(%node, replaces = ?replaced, "a learner became a voter");
        Ok(())
    }

    /// Removes a member, if the remaining voters have a living quorum.
    async fn remove(&self, node: NodeId) -> Result<ServiceResponse, ServiceResponse> {
        let _guard = self.change.lock().await;
        let progress = match self.progress_of(node) {
            Ok(progress) => progress,
            // An id is never used again: that of a former member is removed for good. A retry of the removal gets the
            // same answer.
            Err(_) if self.node.published().state.node(node).is_some() => return Ok(ServiceResponse::Done),
            Err(unknown) => return Err(unknown),
        };
        let ids = BTreeSet::from([node.0]);
        let change = if progress.is_voter {
            let before = self.node.voters();
            let mut rest = before.clone();
            rest.remove(&node.0);
            if rest.is_empty() {
                return Err(refused(format!("node {node} is the last voter; the cluster needs it")));
            }
            self.check_quorum_of(&rest, &before, &format!("without node {node}")).await?;
            if node == self.node.id {
                // The next leader removes this node: a leader that is no longer a member would still have to commit its
                // own removal.
                self.transfer_leader(None).await?;
                return Err(ServiceResponse::NotLeader { leader: self.node.leader_id() });
            }
            // The removed voter does not stay as a learner: `change_membership` is called without `retain`.
            ChangeMembers::RemoveVoters(ids)
        } else {
            ChangeMembers::RemoveNodes(ids)
        };
        self.change_members(change).await?;
        tracing::info!(%node, "a member was removed");
        Ok(ServiceResponse::Done)
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
        let started = Instant::now();
        self.node.raft.trigger().heartbeat().await.map_err(stopped)?;
        loop {
            let (waited, members) = (started.elapsed(), self.node.members());
            let has_answered = |id: &u64| {
                let seen = members.iter().find(|member| member.id.0 == *id);
                *id == self.node.id.0
                    || seen.and_then(|member| member.last_seen).is_some_and(|ago| ago < waited)
            };
            let silent: Vec<String> =
                voters.iter().filter(|id| !has_answered(id)).map(u64::to_string).collect();
            let (total, alive) = (voters.len(), voters.len() - silent.len());
            if self.node.voters() != *before {
                return Err(ServiceResponse::Unavailable { reason: CHANGE_IN_PROGRESS.to_owned() });
            }
            if alive > total / 2 {
                return Ok(());
            }
            if started.elapsed() >= self.node.timing.lease() * 2 {
                return Err(refused(format!(
                    "{when}, only {alive} of {total} voters answer (silent: {}): no quorum would be left. \
                     Bring a silent one back, or add a node first",
                    silent.join(", ")
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Hands leadership over to a voter that is alive and has caught up: `to`, or the best one.
    pub(crate) async fn transfer_leader(
        &self,
        to: Option<NodeId>,
    ) -> Result<ServiceResponse, ServiceResponse> {
        let to = match to {
            Some(node) if node == self.node.id => return Ok(ServiceResponse::Leads(node)),
            Some(node) => {
                if !self.progress_of(node)?.can_lead() {
                    return Err(refused(format!(
                        "node {node} cannot lead now: it has to be a voter that answers and has caught up"
                    )));
                }
                node
            }
            None => {
                let members = self.node.members().into_iter();
                let others = members.filter(|member| member.id != self.node.id && member.can_lead());
                let best = others.min_by_key(|member| {
                    let priority = self.reports.priority_of(member.id);
                    (!self.reports.has_good_disk(member.id), Reverse(priority), member.lag, member.id)
                });
                best.ok_or_else(|| refused("no other voter answers and has caught up".to_owned()))?.id
            }
        };
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

    /// Makes one learner a voter that has caught up. Called regularly.
    pub(crate) async fn promote_learners(&self) {
        // Requested changes go first; the next call tries again.
        let Some(_guard) = self.try_freeze() else { return };
        let members = self.node.members();
        let next = members.iter().filter(|member| !member.is_voter && member.has_caught_up());
        if let Some(node) = next.map(|member| member.id).min()
            && let Err(why) = self.make_voter(node).await
        {
            tracing::warn!(%node, ?why, "a learner could not become a voter yet");
        }
    }

    async fn change_members(&self, change: Changes) -> Result<(), ServiceResponse> {
        match timeout(CHANGE_TIMEOUT, self.node.raft.change_membership(change, false)).await {
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

    /// The progress of a member.
    pub(super) fn progress_of(&self, node: NodeId) -> Result<MemberProgress, ServiceResponse> {
        let found = self.node.members().into_iter().find(|member| member.id == node);
        found.ok_or(ServiceResponse::Refused(ChangeRefusal::UnknownNode(node)))
    }
}

pub(super) fn refused(why: String) -> ServiceResponse {
    ServiceResponse::Refused(ChangeRefusal::Unsafe(why))
}

fn stopped(error: impl std::fmt::Display) -> ServiceResponse {
    ServiceResponse::Unavailable { reason: error.to_string() }
}
