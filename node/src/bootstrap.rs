//! How a node comes by its id: as one of the first, as a guest, from its data folder, or again
//! under a new id after it lost its data.
//!
//! The membership names data folders, not just addresses. So a node whose folder was wiped finds
//! out from its peers that the member it used to be is not what it is now, and never votes as it:
//! a voter that forgot its votes could help two leaders in one term.

use crate::{
    config::Origin,
    identity::StoredIdentity,
    peer::{
        PeerClient, PeerTarget, Welcome,
        service::{MembershipRequest, ServiceRequest, ServiceResponse},
    },
    secret::ClusterSecret,
};
use anyhow::{Context, bail};
use nexus_api_types::{
    Data, Failure,
    cluster::{JoinRequest, Joined},
};
use nexus_domain::{ClusterId, NodeId};
use nexus_raft_store::Member;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(100);
/// One question takes no longer.
const ONE_QUESTION: Duration = Duration::from_secs(2);
/// A join takes no longer: it may wait for an election.
const ONE_JOIN: Duration = Duration::from_secs(15);
/// A node that some refuse and others do not answer gives up after this long.
const REFUSED: Duration = Duration::from_secs(30);
/// Rounds from the first line in the log about waiting to the second; each further one takes twice as long, up
/// to a limit of ten minutes or so.
const FIRST_ROUNDS: u32 = 50;
const MOST_ROUNDS: u32 = 6_400;

/// When to say again what is waited for.
struct Notes {
    round: u32,
    next: u32,
}

impl Notes {
    const fn new() -> Self {
        Self { round: 0, next: 0 }
    }

    /// One more round; whether it is worth a line.
    fn is_due(&mut self) -> bool {
        let is_due = self.round >= self.next;
        if is_due {
            self.next = self.round + self.next.clamp(FIRST_ROUNDS, MOST_ROUNDS);
        }
        self.round += 1;
        is_due
    }
}

/// What a node found out about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its id.
    pub(crate) node: NodeId,
    /// Its cluster, if it is known already.
    pub(crate) cluster: Option<ClusterId>,
    /// The first members, if it is up to this node to form the cluster.
    pub(crate) form: Option<BTreeMap<u64, Member>>,
    /// The cluster's secret, if this node was handed it with its place.
    pub(crate) secret: Option<ClusterSecret>,
}

impl Standing {
    /// A place that the node had, or took again.
    const fn known(node: NodeId, cluster: Option<ClusterId>) -> Self {
        Self { node, cluster, form: None, secret: None }
    }
}

/// What it takes to find out.
pub(crate) struct Bootstrap<'a> {
    pub(crate) peers: &'a PeerClient,
    pub(crate) identity: StoredIdentity,
    /// This node as the membership is to name it.
    pub(crate) own: Member,
    /// Whether the log of this node holds a membership.
    pub(crate) has_membership: bool,
}

impl Bootstrap<'_> {
    /// Finds out who this node is; waits for others where it has to.
    pub(crate) async fn find_out(&self, origin: &Origin) -> anyhow::Result<Standing> {
        let remembered = self.identity.node;
        if let Some(node) = remembered.filter(|_| self.has_membership) {
            return Ok(Standing::known(node, self.identity.cluster));
        }
        match origin {
            Origin::Initial { node_id, peers } => self.as_one_of_the_first(*node_id, peers).await,
            Origin::Join { servers, token } => self.as_a_guest(servers, token).await,
            Origin::Remembered => match remembered {
                Some(node) => Ok(Standing::known(node, self.identity.cluster)),
                None => bail!(
                    "the data folder is new and nothing says where this node belongs: give --initial-cluster \
                     and --node-id for a new cluster, or --join and --join-token for one that runs"
                ),
            },
        }
    }

    async fn as_one_of_the_first(
        &self,
        node_id: u64,
        peers: &BTreeMap<u64, String>,
    ) -> anyhow::Result<Standing> {
        if let Some(node) = self.identity.node.filter(|node| node.0 != node_id) {
            // It lost its data once and came back under another id, which it has to wait under.
            return Ok(Standing::known(node, self.identity.cluster));
        }
        let others: Vec<(u64, &String)> =
            peers.iter().filter(|(id, _)| **id != node_id).map(|(id, addr)| (*id, addr)).collect();
        let is_lowest = others.iter().all(|(id, _)| *id > node_id);
        let mut notes = Notes::new();
        loop {
            let mut welcomes: BTreeMap<u64, Welcome> = BTreeMap::new();
            let mut silent = Vec::new();
            for (id, addr) in &others {
                match self.peers.probe(addr, ONE_QUESTION).await {
                    Ok(welcome) => {
                        welcomes.insert(*id, welcome);
                    }
                    Err(error) => silent.push(format!("{id} at {addr}: {error}")),
                }
            }
            for (id, addr) in &others {
                if welcomes.get(id).is_some_and(|welcome| welcome.is_initialized)
                    && let Some(standing) = self.in_a_cluster_that_runs(node_id, addr).await?
                {
                    return Ok(standing);
                }
            }
            let nobody_began = welcomes.values().all(|welcome| !welcome.is_initialized);
            if is_lowest && silent.is_empty() && nobody_began {
                let form = self.first_members(node_id, peers, &welcomes);
                let node = NodeId(node_id);
                return Ok(Standing { form: Some(form), ..Standing::known(node, None) });
            }
            if !silent.is_empty() && notes.is_due() {
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

    /// A peer is part of a running cluster: does that know this node, and this data folder?
    async fn in_a_cluster_that_runs(&self, node_id: u64, addr: &str) -> anyhow::Result<Option<Standing>> {
        let node = NodeId(node_id);
        let peer = PeerTarget::anyone(addr);
        let asked = self.peers.request(&peer, ServiceRequest::WhoIs { node }, ONE_QUESTION).await;
        let Ok(ServiceResponse::Member(member)) = asked else { return Ok(None) };
        match member {
            Some(member) if member.instance == self.identity.instance => {
                Ok(Some(Standing::known(node, None)))
            }
            Some(_) => {
                tracing::warn!(
                    %node,
                    "the cluster knows this node with another data folder: its data was lost, so it takes its \
                     place again under a new id"
                );
                self.take_place_again(node, peer).await
            }
            None => bail!(
                "node {node} is no member of the cluster any more; to come back, start it with --join and a token \
                 from nexus cluster join-token"
            ),
        }
    }

    async fn take_place_again(&self, former: NodeId, peer: PeerTarget) -> anyhow::Result<Option<Standing>> {
        let request =
            MembershipRequest::Join { token: None, replaces: Some(former), member: self.own.clone() };
        let ask = |to: PeerTarget| {
            let request = ServiceRequest::Membership(request.clone());
            async move { self.peers.request(&to, request, ONE_JOIN).await }
        };
        let mut answer = ask(peer.clone()).await;
        if let Ok(ServiceResponse::NotLeader { leader: Some(leader) }) = answer {
            let known = self.peers.request(&peer, ServiceRequest::WhoIs { node: leader }, ONE_QUESTION).await;
            let Ok(ServiceResponse::Member(Some(member))) = known else { return Ok(None) };
            answer = ask(PeerTarget::anyone(member.peer_addr)).await;
        }
        match answer {
            Ok(ServiceResponse::Joined(node)) => Ok(Some(Standing::known(node, None))),
            Ok(ServiceResponse::Refused(why)) => bail!("the cluster does not take this node back: {why:?}"),
            // No leader at the moment, or it is changing: the next round asks again.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn as_a_guest(&self, servers: &[String], token: &str) -> anyhow::Result<Standing> {
        let http =
            reqwest::Client::builder().timeout(ONE_JOIN).build().context("cannot make an HTTP client")?;
        let request = JoinRequest {
            join_token: token.to_owned(),
            instance: self.identity.instance.0,
            peer_addr: self.own.peer_addr.clone(),
            client_addr: self.own.client_addr.clone(),
        };
        let (mut notes, mut refused_since) = (Notes::new(), None::<Instant>);
        loop {
            let (mut failures, mut refusals) = (Vec::new(), Vec::new());
            for server in servers {
                match join_through(&http, server, &request).await {
                    Ok(joined) => {
                        let (node, cluster) = (NodeId(joined.node_id), ClusterId(joined.cluster_id));
                        let whose = (cluster, self.identity.instance);
                        let secret =
                            ClusterSecret::open(token, whose, &joined.sealed_secret).with_context(|| {
                                format!("{server} lets this node in, but not into its secret")
                            })?;
                        return Ok(Standing { secret: Some(secret), ..Standing::known(node, Some(cluster)) });
                    }
                    // It may be of another cluster, or no node at all: another one may know better.
                    Err(JoinError::Final(why)) => refusals.push(format!("{server}: {why}")),
                    Err(JoinError::Later(why)) => failures.push(format!("{server}: {why}")),
                }
            }
            refused_since = if refusals.is_empty() { None } else { refused_since.or(Some(Instant::now())) };
            let is_final =
                failures.is_empty() || refused_since.is_some_and(|since| since.elapsed() >= REFUSED);
            if is_final && !refusals.is_empty() {
                bail!("this node is not let in by {}", refusals.join("; "));
            }
            failures.append(&mut refusals);
            if notes.is_due() {
                tracing::info!(tried = %failures.join("; "), "waiting to be let in");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

enum JoinError {
    /// Asking again gives the same.
    Final(String),
    /// Nobody answered, or nobody led.
    Later(String),
}

async fn join_through(
    http: &reqwest::Client,
    server: &str,
    request: &JoinRequest,
) -> Result<Joined, JoinError> {
    let url = format!("{server}/api/cluster/members");
    let later = |error: reqwest::Error| JoinError::Later(error.to_string());
    let response = http.post(url).json(request).send().await.map_err(later)?;
    let status = response.status();
    if status.is_success() {
        let joined: Data<Joined> = response.json().await.map_err(later)?;
        return Ok(joined.data);
    }
    let message = match response.json::<Failure>().await {
        Ok(failure) => failure.error.message,
        Err(_) => format!("HTTP status {status}"),
    };
    if status.is_client_error() { Err(JoinError::Final(message)) } else { Err(JoinError::Later(message)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_told_less_and_less_often() {
        let mut notes = Notes::new();
        let told: Vec<u32> = (0..1_000).filter(|_| notes.is_due()).collect();
        assert_eq!(told, [0, 50, 100, 200, 400, 800]);
    }
}
