//! A cluster inside the test's own process, over loopback, for injected faults such as a disk that hangs or a clock
//! that is wrong. Everything else is as in a process of its own.

use crate::{client::Client, cluster::free_addrs, patience::eventually};
use futures::future::join_all;
use nexus_domain::{Applied, Proposal, Revision, State, WallTime};
use nexus_node::{
    BOOTSTRAP_TOKEN_FILE,
    peer::{tcp::TcpDial, wire::Dial},
    raft::clock::{Clock, SystemClock},
    run::{RunningNode, Sources},
    settings::{args::StartArgs, config::Config},
};
use nexus_raft_store::{
    StoreError,
    storage::{Batch, Column, Folder, KeyRange, Order, Reader, Rocks, Scan, SpaceUsage, Storage},
};
use serde_json::json;
use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};
use tempfile::TempDir;

/// A disk whose flushes can be made to hang.
#[derive(Clone)]
pub struct HangingDisk {
    disk: Arc<Rocks>,
    hangs: Arc<(Mutex<bool>, Condvar)>,
}

impl HangingDisk {
    /// The disk of a data folder.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(dir: &std::path::Path) -> Self {
        let disk = Rocks::open(dir).expect("a new folder can be opened");
        Self { disk: Arc::new(disk), hangs: Arc::default() }
    }

    /// Blocks all flushes, or lets them end.
    pub fn hang(&self, hangs: bool) {
        *self.hangs.0.lock().unwrap_or_else(PoisonError::into_inner) = hangs;
        self.hangs.1.notify_all();
    }
}

impl Reader for HangingDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        self.disk.scan(column, range, order)
    }
}

impl Storage for HangingDisk {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.disk.write(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        let (hangs, changed) = &*self.hangs;
        let guard = hangs.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(guard, |hangs| *hangs));
        self.disk.flush()
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        self.disk.with_view(work);
    }

    fn folder(&self) -> Arc<dyn Folder> {
        self.disk.folder()
    }

    fn may_block(&self) -> bool {
        true
    }

    fn usage(&self) -> SpaceUsage {
        self.disk.usage()
    }
}

/// The machine's clock, with an offset of the wall clock.
#[derive(Default)]
pub struct SkewedClock(AtomicI64);

impl SkewedClock {
    /// Sets the offset of the wall clock in milliseconds.
    pub fn skew(&self, ahead_ms: i64) {
        self.0.store(ahead_ms, Ordering::Relaxed);
    }
}

impl Clock for SkewedClock {
    fn monotonic(&self) -> tokio::time::Instant {
        SystemClock.monotonic()
    }

    fn wall(&self) -> WallTime {
        WallTime(SystemClock.wall().0 + self.0.load(Ordering::Relaxed))
    }
}

/// One node, with its injectable faults.
pub struct InProcessNode {
    /// The running node; none once it was stopped.
    pub running: Option<RunningNode>,
    /// Its disk, whose flushes a test can block.
    pub disk: HangingDisk,
    /// Its wall clock, which a test can set wrong.
    pub clock: Arc<SkewedClock>,
    /// Its address for clients.
    pub url: String,
    /// The settings of the node.
    pub config: Config,
    data_dir: PathBuf,
}

/// Rules of a state machine.
pub type Rules = fn(&mut State, Revision, &Proposal) -> Applied;

/// Nodes inside this process; their ids begin at 1.
pub struct InProcessCluster {
    /// The nodes by id, the first at 0.
    pub nodes: Vec<InProcessNode>,
    /// Acts as the first admin, through the first node.
    pub admin: Client,
    _folder: TempDir,
}

impl InProcessCluster {
    /// Starts this many nodes, waits until they are ready, and registers an admin.
    pub async fn start(count: usize) -> Self {
        Self::start_over(count, |_, _| Arc::new(TcpDial), |_| StartArgs::default()).await
    }

    /// Starts this many nodes with other rules on the second one: faulty ones, or ones that change its memory.
    pub async fn start_with_rules(count: usize, rules_of_second: Rules) -> Self {
        let network = |_: &[String], _| -> Arc<dyn Dial> { Arc::new(TcpDial) };
        Self::start_nodes(count, network, |_| StartArgs::default(), Some(rules_of_second)).await
    }

    /// Starts this many nodes, each with its own network and further settings by its number, from 0.
    pub async fn start_over(
        count: usize,
        network: impl Fn(&[String], usize) -> Arc<dyn Dial>,
        settings: impl Fn(usize) -> StartArgs,
    ) -> Self {
        Self::start_nodes(count, network, settings, None).await
    }

    async fn start_nodes(
        count: usize,
        network: impl Fn(&[String], usize) -> Arc<dyn Dial>,
        settings: impl Fn(usize) -> StartArgs,
        rules_of_second: Option<Rules>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder =
            tempfile::Builder::new().prefix("nexus-inside-").tempdir().expect("a folder for the test");
        let peers = free_addrs(count);
        let clients = free_addrs(count);
        let initial: Vec<String> =
            peers.iter().enumerate().map(|(at, addr)| format!("{}={addr}", at + 1)).collect();
        let starting = peers.iter().enumerate().map(|(at, peer)| {
            let data_dir = folder.path().join((at + 1).to_string());
            let args = StartArgs {
                node_id: Some(at as u64 + 1),
                data_dir: Some(data_dir.clone()),
                listen: Some(clients[at].clone()),
                peer_listen: Some(peer.clone()),
                initial_cluster: Some(initial.join(",")),
                scrub_interval: Some(1),
                cluster_secret: Some("of the nodes inside, and long enough for one".to_owned()),
                ..settings(at)
            };
            let dial = network(&peers, at);
            async move {
                std::fs::create_dir_all(&data_dir).expect("the test folder can be written");
                let config = Config::from_args(args).expect("the settings are sound");
                let (disk, clock) = (HangingDisk::open(&data_dir), Arc::new(SkewedClock::default()));
                let opened = nexus_raft_store::open(Arc::new(disk.clone())).await.expect("a new store opens");
                let (log, machine, store) = opened;
                let machine = match rules_of_second.filter(|_| at == 1) {
                    Some(rules) => machine.with_rules(rules),
                    None => machine,
                };
                let (opened, kept) = ((log, machine, store), config.clone());
                let sources = Sources { clock: clock.clone(), dial, ..Sources::default() };
                let running = RunningNode::start_on(config, sources, opened).await.expect("the node starts");
                let url = format!("http://{}", running.client_addr());
                InProcessNode { running: Some(running), disk, clock, url, config: kept, data_dir }
            }
        });
        let nodes = join_all(starting).await;
        let admin = register(&nodes).await;
        Self { nodes, admin, _folder: folder }
    }

    /// The number of the leader, from 0, according to a node that can read.
    pub async fn leader(&self, asked: usize) -> usize {
        let client = self.admin.via(&self.nodes[asked].url);
        let leader = eventually("somebody leads", || async {
            let answer = client.send(reqwest::Method::GET, "/cluster/status", None).await.ok()?;
            let status = &answer.body["data"];
            (status["healthy"] == true).then(|| status["leader"].as_u64())?
        })
        .await;
        usize::try_from(leader).expect("a small id") - 1
    }

    /// Stops all nodes.
    pub async fn stop(mut self) {
        for node in &mut self.nodes {
            node.disk.hang(false);
        }
        join_all(self.nodes.iter_mut().filter_map(|node| node.running.take()).map(RunningNode::stop)).await;
    }
}

impl Drop for InProcessCluster {
    fn drop(&mut self) {
        // A hanging thread would keep the test from ending.
        for node in &self.nodes {
            node.disk.hang(false);
        }
    }
}

async fn register(nodes: &[InProcessNode]) -> Client {
    let client = Client::new(nodes[0].url.clone());
    let key = eventually("the first admin is registered", || async {
        for node in nodes {
            let Ok(token) = std::fs::read_to_string(node.data_dir.join(BOOTSTRAP_TOKEN_FILE)) else {
                continue;
            };
            let body = json!({ "name": "Root", "email": "root@example.com", "bootstrapToken": token.trim() });
            let answer = client.send(reqwest::Method::POST, "/auth/register", Some(&body)).await.ok()?;
            if answer.status.is_success() {
                return answer.data()["apiKey"].as_str().map(str::to_owned);
            }
        }
        None
    })
    .await;
    client.with_key(key)
}
