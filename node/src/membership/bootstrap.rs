//! Determines the id of a starting node: from the initial cluster, by joining, from its data folder, or as a
//! replacement under a new id after it lost its data.
//!
//! The membership names data folders, not just addresses. So a node whose folder was wiped learns from its peers that
//! it is not the member that it was, and never votes as that member: a voter that forgot its votes could elect two
//! leaders in one term.

use crate::{
    membership::{
        identity::StoredIdentity,
        join_client::{HttpJoinClient, JOIN_TIMEOUT, JoinClient, JoinError},
    },
    peer::{
        PeerClient, PeerTarget, Welcome,
        secret::ClusterSecret,
        service::{MembershipRequest, ServiceRequest, ServiceResponse},
    },
    settings::origin::Origin,
};
use anyhow::{Context, bail};
use nexus_api_types::cluster::JoinRequest;
use nexus_domain::{ClusterId, NodeId};
use nexus_raft_store::Member;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Pause between two rounds of requests.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for one answer of a peer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A joining node gives up when servers have refused it for this long, even while others do not answer.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(30);
/// Rounds between the first two log lines about waiting. The distance doubles with each line.
const MIN_ROUNDS: u32 = 50;
/// Rounds between two log lines at most: about ten minutes.
const MAX_ROUNDS: u32 = 6_400;

/// Decides in which rounds the wait is logged.
struct RoundLog {
    round: u32,
    next: u32,
}

impl RoundLog {
    const fn new() -> Self {
        Self { round: 0, next: 0 }
    }

    /// Counts a round, and returns whether it should be logged.
    fn is_due(&mut self) -> bool {
        let is_due = self.round >= self.next;
        if is_due {
            self.next = self.round + self.next.clamp(MIN_ROUNDS, MAX_ROUNDS);
        }
        self.round += 1;
        is_due
    }
}

/// The result of bootstrapping: the place of this node in its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootstrapOutcome {
    /// The id of this node.
    pub(crate) node: NodeId,
    /// The cluster of this node, if it is known already.
    pub(crate) cluster: Option<ClusterId>,
    /// The first members, if this node has to form the cluster.
    pub(crate) form: Option<BTreeMap<u64, Member>>,
    /// The cluster's secret, if this node received it when it joined.
    pub(crate) secret: Option<ClusterSecret>,
}

impl BootstrapOutcome {
    /// The outcome of a node that has an id and need not form a cluster.
    const fn known(node: NodeId, cluster: Option<ClusterId>) -> Self {
        Self { node, cluster, form: None, secret: None }
    }
}

/// The inputs of bootstrapping.
pub(crate) struct Bootstrap<'a> {
    pub(crate) peers: &'a PeerClient,
    pub(crate) identity: StoredIdentity,
    /// The entry of this node for the membership.
    pub(crate) own: Member,
    /// Whether the log of this node holds a membership.
    pub(crate) has_membership: bool,
    /// The node that this one replaces, whose data was moved away.
    pub(crate) replaces: Option<FormerNode>,
    /// Asks servers to let this node in; none for HTTP.
    pub(crate) join_client: Option<Arc<dyn JoinClient>>,
}

/// A node whose place another one takes.
pub(crate) struct FormerNode {
    /// The id that it had.
    pub(crate) id: NodeId,
    /// The addresses of the other members for nodes.
    pub(crate) others: Vec<String>,
}

impl Bootstrap<'_> {
    /// Determines the id of this node. Waits for other nodes where it has to. `ca` has the authorities that it trusts
    /// when it joins by `https`.
    pub(crate) async fn run(&self, origin: &Origin, ca: Option<&Path>) -> anyhow::Result<BootstrapOutcome> {
        let remembered = self.identity.node;
        if let Some(node) = remembered.filter(|_| self.has_membership) {
            return Ok(BootstrapOutcome::known(node, self.identity.cluster));
        }
        if let Some(former) = &self.replaces {
            return match remembered {
                Some(node) => Ok(BootstrapOutcome::known(node, self.identity.cluster)),
                None => self.in_place_of(former).await,
            };
        }
        match origin {
            Origin::Initial { node_id, peers } => self.as_initial_member(*node_id, peers).await,
            Origin::Join { servers, token, is_replica } => {
                let client = match &self.join_client {
                    Some(client) => client.clone(),
                    None => Arc::new(HttpJoinClient::new(ca)?),
                };
                self.by_joining(&*client, servers, token, *is_replica).await
            }
            Origin::Remembered => match remembered {
                Some(node) => Ok(BootstrapOutcome::known(node, self.identity.cluster)),
                None => bail!(
                    "the data folder is new and nothing says where this node belongs: give --initial-cluster \
                     and --node-id for a new cluster, or --join and --join-token for one that runs"
                ),
            },
        }
    }

    /// Rejoins in place of the node whose data was moved away, wherever the settings say that it comes from.
    async fn in_place_of(&self, former: &FormerNode) -> anyhow::Result<BootstrapOutcome> {
        let mut round_log = RoundLog::new();
        loop {
            for addr in &former.others {
                let peer = PeerTarget::anyone(addr);
                if let Some(outcome) = self.rejoin_as_replacement(former.id, peer).await? {
                    return Ok(outcome);
                }
            }
            if round_log.is_due() {
                tracing::info!(asked = %former.others.join(", "), former = %former.id, "waiting to be let in again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn as_initial_member(
        &self,
        node_id: u64,
        peers: &BTreeMap<u64, String>,
    ) -> anyhow::Result<BootstrapOutcome> {
        if let Some(node) = self.identity.node.filter(|node| node.0 != node_id) {
            // It lost its data once and rejoined under this other id, which it keeps.
            return Ok(BootstrapOutcome::known(node, self.identity.cluster));
        }
        let others: Vec<(u64, &String)> =
            peers.iter().filter(|(id, _)| **id != node_id).map(|(id, addr)| (*id, addr)).collect();
        let is_lowest = others.iter().all(|(id, _)| *id > node_id);
        let mut round_log = RoundLog::new();
        loop {
            let mut welcomes: BTreeMap<u64, Welcome> = BTreeMap::new();
            let mut silent = Vec::new();
            for (id, addr) in &others {
                match self.peers.probe(addr, ANSWER_TIMEOUT).await {
                    Ok(welcome) => {
                        welcomes.insert(*id, welcome);
                    }
                    Err(error) => silent.push(format!("{id} at {addr}: {error}")),
                }
            }
            for (id, addr) in &others {
                if welcomes.get(id).is_some_and(|welcome| welcome.is_initialized)
                    && let Some(outcome) = self.in_running_cluster(node_id, addr).await?
                {
                    return Ok(outcome);
                }
            }
            let none_is_initialized = welcomes.values().all(|welcome| !welcome.is_initialized);
            if is_lowest && silent.is_empty() && none_is_initialized {
                let form = self.first_members(node_id, peers, &welcomes);
                let node = NodeId(node_id);
                return Ok(BootstrapOutcome { form: Some(form), ..BootstrapOutcome::known(node, None) });
            }
            if !silent.is_empty() && round_log.is_due() {
                tracing::info!(waiting_for = %silent.join("; "), "a new cluster is formed once all of its nodes answer");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn first_members(
        &self,
        node_id: u64,
        peers: &BTreeMap<u64, String>,
        welcomes: &BTreeMap<u64, Welcome>,
    ) -> BTreeMap<u64, Member> {
        let mut members = BTreeMap::from([(node_id, self.own.clone())]);
        for (id, welcome) in welcomes {
            let member = Member {
                peer_addr: peers[id].clone(),
                client_addr: welcome.client_addr.clone(),
                instance: welcome.instance,
            };
            members.insert(*id, member);
        }
        members
    }

    /// Asks a peer that is part of a running cluster whether that cluster knows this node with this data folder.
    async fn in_running_cluster(&self, node_id: u64, addr: &str) -> anyhow::Result<Option<BootstrapOutcome>> {
        let node = NodeId(node_id);
        let peer = PeerTarget::anyone(addr);
        let answer = self.peers.request(&peer, ServiceRequest::WhoIs { node }, ANSWER_TIMEOUT).await;
        let Ok(ServiceResponse::Member(member)) = answer else { return Ok(None) };
        match member {
            Some(member) if member.instance == self.identity.instance => {
                Ok(Some(BootstrapOutcome::known(node, None)))
            }
            Some(_) => {
                tracing::warn!(
                    %node,
                    "the cluster knows this node with another data folder: its data was lost, so it rejoins under a \
                     new id"
                );
                self.rejoin_as_replacement(node, peer).await
            }
            None => bail!(
                "node {node} is no member of the cluster any more; to come back, start it with --join and a token \
                 from nexus cluster join-token"
            ),
        }
    }

    async fn rejoin_as_replacement(
        &self,
        former: NodeId,
        peer: PeerTarget,
    ) -> anyhow::Result<Option<BootstrapOutcome>> {
        let request =
            MembershipRequest::Join { token: None, replaces: Some(former), member: self.own.clone() };
        let ask = |to: PeerTarget| {
            let request = ServiceRequest::Membership(request.clone());
            async move { self.peers.request(&to, request, JOIN_TIMEOUT).await }
        };
        let mut answer = ask(peer.clone()).await;
        if let Ok(ServiceResponse::NotLeader { leader: Some(leader) }) = answer {
            let known =
                self.peers.request(&peer, ServiceRequest::WhoIs { node: leader }, ANSWER_TIMEOUT).await;
            let Ok(ServiceResponse::Member(Some(member))) = known else { return Ok(None) };
            answer = ask(PeerTarget::anyone(member.peer_addr)).await;
        }
        match answer {
            Ok(ServiceResponse::Joined(node)) => Ok(Some(BootstrapOutcome::known(node, None))),
            Ok(ServiceResponse::Refused(why)) => bail!("the cluster does not take this node back: {why:?}"),
            // There is no leader at the moment: the next round asks again.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn by_joining(
        &self,
        client: &dyn JoinClient,
        servers: &[String],
        token: &str,
        is_replica: bool,
    ) -> anyhow::Result<BootstrapOutcome> {
        let request = JoinRequest {
            join_token: token.to_owned(),
            instance: self.identity.instance.0,
            peer_addr: self.own.peer_addr.clone(),
            client_addr: self.own.client_addr.clone(),
            // Servers of earlier versions know no replicas, and refuse the field.
            replica: is_replica.then_some(true),
        };
        let (mut round_log, mut refused_since) = (RoundLog::new(), None::<Instant>);
        loop {
            let (mut failures, mut refusals) = (Vec::new(), Vec::new());
            for server in servers {
                match client.join(server, &request).await {
                    Ok(joined) => {
                        let (node, cluster) = (NodeId(joined.node_id), ClusterId(joined.cluster_id));
                        let bound_to = (cluster, self.identity.instance);
                        let secret = ClusterSecret::open(token, bound_to, &joined.sealed_secret)
                            .with_context(|| {
                                format!("{server} admits this node, but its sealed secret cannot be opened")
                            })?;
                        return Ok(BootstrapOutcome {
                            secret: Some(secret),
                            ..BootstrapOutcome::known(node, Some(cluster))
                        });
                    }
                    // The server may belong to another cluster, or be no node at all: others are asked too.
                    Err(JoinError::Final(why)) => refusals.push(format!("{server}: {why}")),
                    Err(JoinError::Later(why)) => failures.push(format!("{server}: {why}")),
                }
            }
            refused_since = if refusals.is_empty() { None } else { refused_since.or(Some(Instant::now())) };
            let is_final =
                failures.is_empty() || refused_since.is_some_and(|since| since.elapsed() >= REFUSED_TIMEOUT);
            if is_final && !refusals.is_empty() {
                bail!("this node is not let in by {}", refusals.join("; "));
            }
            failures.append(&mut refusals);
            if round_log.is_due() {
                tracing::info!(tried = %failures.join("; "), "waiting to be let in");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_logged_less_and_less_often() {
        let mut round_log = RoundLog::new();
        let logged: Vec<u32> = (0..1_000).filter(|_| round_log.is_due()).collect();
        assert_eq!(logged, [0, 50, 100, 200, 400, 800]);
    }
}
