//! Three real nodes: openraft on the real store over a simulated disk, talking through this transport.

use super::cast::{AMPLE_TIMEOUT, CLUSTER, PlayedService, member};
use crate::peer::{
    LocalIdentity, LocalRaft, PeerClient, PeerNetworkFactory, PeerServer, RaftCell,
    memory::MemoryNetwork,
    tcp::{TcpDial, TcpListen},
    wire::{Dial, Listen},
};
use nexus_domain::{Acting, Actor, NodeId, Proposal, SessionId, Stamp, command};
use nexus_raft_store::{Command, Member, StateMachine, StoreHandle, TypeConfig, storage::SimulatedDisk};
use openraft::{Config, Raft, ReadPolicy, SnapshotPolicy};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

struct Node {
    raft: Raft<TypeConfig, StateMachine>,
    store: StoreHandle,
    place: Member,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
    _identity: watch::Sender<LocalIdentity>,
}

impl Node {
    async fn start(id: u64, addr: &str, listen: impl Listen, dial: impl Dial) -> Self {
        let config = Config {
            heartbeat_interval: 50,
            election_timeout_min: 200,
            election_timeout_max: 400,
            enable_pre_vote: Some(true),
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: 0,
            ..Config::default()
        };
        let identity = watch::Sender::new(member(id));
        let (log, machine, store) = nexus_raft_store::open(Arc::new(SimulatedDisk::new())).await.unwrap();
        let factory = PeerNetworkFactory::new(PeerClient::new(dial, identity.subscribe()));
        let raft = Raft::new(id, Arc::new(config.validate().unwrap()), factory, log, machine).await.unwrap();
        let cell = RaftCell::default();
        cell.set(LocalRaft { raft: raft.clone(), store: store.clone() });
        let service = Arc::new(PlayedService::default());
        let server = PeerServer { identity: identity.subscribe(), raft: cell, service };
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(server.run(listen, shutdown.clone()));
        let place =
            Member { peer_addr: addr.to_owned(), client_addr: String::new(), instance: member(id).instance };
        Self { raft, store, place, shutdown, server, _identity: identity }
    }

    async fn stop(self) {
        self.raft.shutdown().await.unwrap();
        self.shutdown.cancel();
        self.server.await.unwrap();
    }

    async fn leader_other_than(&self, not: Option<u64>) -> u64 {
        let wait = self.raft.wait(Some(AMPLE_TIMEOUT));
        let metrics = wait
            .metrics(|metrics| metrics.current_leader.is_some() && metrics.current_leader != not, "a leader")
            .await
            .unwrap();
        metrics.current_leader.unwrap()
    }

    async fn has_applied(&self, index: u64) {
        self.raft.wait(Some(AMPLE_TIMEOUT)).applied_index_at_least(Some(index), "applied").await.unwrap();
    }
}

/// An entry that changes next to nothing: about as many bytes as `sessions` times 16.
fn entry(sessions: usize) -> Command {
    let command =
        command::Heartbeats { heartbeats: vec![SessionId::MAX; sessions], keep_alives: Vec::new() }.into();
    let acting = Acting::Session(SessionId::MIN);
    Command(Arc::new(Proposal {
        command,
        actor: Actor::System,
        acting,
        request: None,
        stamp: Stamp::default(),
    }))
}

/// Writes through the current leader, and retries until it succeeds.
async fn write(nodes: &BTreeMap<u64, Node>, command: Command) -> u64 {
    let writing = async {
        loop {
            for node in nodes.values().filter(|node| node.raft.is_leader()) {
                if let Ok(written) = node.raft.client_write(command.clone()).await {
                    return written.log_id.index;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE_TIMEOUT, writing).await.unwrap()
}

async fn form(nodes: &BTreeMap<u64, Node>) -> u64 {
    let members: BTreeMap<u64, Member> = nodes.iter().map(|(id, node)| (*id, node.place.clone())).collect();
    nodes[&1].raft.initialize(members).await.unwrap();
    nodes[&1].leader_other_than(None).await
}

async fn three_in_memory(network: &MemoryNetwork) -> BTreeMap<u64, Node> {
    let mut nodes = BTreeMap::new();
    for id in 1..=3 {
        let addr = format!("n{id}");
        nodes.insert(id, Node::start(id, &addr, network.listen(&addr), network.dialer(&addr)).await);
    }
    nodes
}

fn hashes(nodes: &BTreeMap<u64, Node>) -> BTreeSet<u64> {
    nodes.values().map(|node| node.store.latest().hash()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_elect_replicate_and_hand_over_leadership() {
    assert_eq!(member(1).cluster, Some(CLUSTER));
    let network = MemoryNetwork::default();
    let nodes = three_in_memory(&network).await;
    let first = form(&nodes).await;
    let mut last = 0;
    for _ in 0..50 {
        last = write(&nodes, entry(1)).await;
    }
    for node in nodes.values() {
        node.has_applied(last).await;
    }
    assert_eq!(hashes(&nodes).len(), 1);

    let next = first % 3 + 1;
    nodes[&first].raft.trigger().transfer_leader(next).await.unwrap();
    nodes[&next].raft.wait(Some(AMPLE_TIMEOUT)).current_leader(next, "the chosen one leads").await.unwrap();
    last = write(&nodes, entry(1)).await;
    for node in nodes.values() {
        node.has_applied(last).await;
    }
    for (_, node) in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_is_replaced_and_catches_up_afterwards() {
    let network = MemoryNetwork::default();
    let nodes = three_in_memory(&network).await;
    let first = form(&nodes).await;
    write(&nodes, entry(1)).await;

    network.cut(&format!("n{first}"));
    let witness = first % 3 + 1;
    let second = nodes[&witness].leader_other_than(Some(first)).await;
    let read = nodes[&second].raft.ensure_linearizable(ReadPolicy::ReadIndex);
    assert!(tokio::time::timeout(AMPLE_TIMEOUT, read).await.unwrap().is_ok());
    let written = nodes[&second].raft.client_write(entry(1)).await.unwrap().log_id.index;

    network.heal(&format!("n{first}"));
    nodes[&first].has_applied(written).await;
    assert_eq!(nodes[&first].leader_other_than(Some(first)).await, second);
    for (_, node) in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_catches_up_by_snapshot_over_real_sockets() {
    let mut nodes = BTreeMap::new();
    for id in 1..=4 {
        let listen = TcpListen::bind("127.0.0.1:0").await.unwrap();
        let addr = listen.local_addr().unwrap().to_string();
        nodes.insert(id, Node::start(id, &addr, listen, TcpDial).await);
    }
    let learner = nodes.remove(&4).unwrap();
    let leader = form(&nodes).await;
    let mut last = 0;
    for _ in 0..20 {
        last = write(&nodes, entry(64)).await;
    }
    let raft = &nodes[&leader].raft;
    raft.trigger().snapshot().await.unwrap();
    let covered = raft
        .wait(Some(AMPLE_TIMEOUT))
        .metrics(|metrics| metrics.snapshot.is_some(), "a snapshot")
        .await
        .unwrap();
    let covered = covered.snapshot.unwrap();
    raft.trigger().purge_log(covered.index).await.unwrap();
    raft.wait(Some(AMPLE_TIMEOUT)).purged(Some(covered), "the log begins after the snapshot").await.unwrap();

    raft.add_learner(4, learner.place.clone(), true).await.unwrap();
    learner.has_applied(last).await;
    // The entries are purged, so the state must come from the snapshot.
    assert!(learner.store.snapshot_bytes().is_some());
    nodes.insert(4, learner);

    last = write(&nodes, entry(1)).await;
    for node in nodes.values() {
        node.has_applied(last).await;
    }
    assert_eq!(hashes(&nodes).len(), 1);
    for (_, node) in nodes {
        tokio::time::timeout(Duration::from_secs(30), node.stop()).await.unwrap();
    }
}

#[tokio::test]
async fn a_member_is_named_by_number_and_data_folder() {
    let place =
        Member { peer_addr: "n2".to_owned(), client_addr: String::new(), instance: member(2).instance };
    let target = crate::peer::PeerTarget::member(2, &place);
    assert_eq!(target.expected.map(|expected| expected.node), Some(NodeId(2)));
    assert_eq!(target.to_string(), "node 2 at n2");
}
