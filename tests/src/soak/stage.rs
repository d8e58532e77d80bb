//! The cluster of an episode: each node in a network of its own, behind the shim, and one of them on a small disk.
//! Where this machine allows no networks or mounts, the faults that need them are left out, and a line says so.

use super::{
    agent::{GRACE_MS, LEASE_MS},
    shim::{Settings, Shim},
};
use crate::{
    client::Client, cluster::Cluster, cluster::free_addrs, mount::SmallDisk, netns::Networks, team::Team,
};
use anyhow::Context as _;
use serde_json::json;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// The nodes of an episode.
pub const NODES: usize = 3;
/// The node on a small disk.
pub const ON_SMALL_DISK: usize = 2;
/// The node whose disk may be lost. It makes snapshots, and purges its log.
pub const LOSABLE: usize = 1;
/// The size of the small disk in MiB.
const DISK_MIB: u64 = 256;
/// Entries between two snapshots. A quarter of them is kept for followers that lag: more than any fault lasts for.
const SNAPSHOT_ENTRIES: &str = "20000";
/// So many that no snapshot is made unless an operator asks for one, and nothing is ever purged: the oracles need a
/// whole log, and two nodes keep it.
const NO_SNAPSHOTS: &str = "1000000000";

/// The cluster of an episode. Everything ends and is deleted when it is dropped.
pub struct Stage {
    /// The small disk, if this machine allows one. It is dropped before the folder of the cluster, in which it is.
    pub disk: Option<SmallDisk>,
    /// The nodes and their processes.
    pub cluster: Cluster,
    /// The networks between the nodes, if this machine allows some.
    pub networks: Option<Networks>,
    /// How often each node has started.
    pub starts: Arc<[AtomicU64]>,
    settings: Vec<Settings>,
    _folder: TempDir,
}

impl Stage {
    /// Starts a cluster.
    ///
    /// # Errors
    /// When the shim cannot be compiled or a file cannot be written.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nexus-soak-").tempdir()?;
        let shim = Shim::compile(folder.path()).context("the shim of the C library")?;
        let settings = (1..=NODES).map(|number| shim.settings(&folder.path().join(format!("node-{number}"))));
        let settings: Vec<Settings> = settings.collect::<Result<_, _>>()?;
        let networks = Networks::new(NODES);
        let wrappers: Vec<Vec<String>> = settings
            .iter()
            .enumerate()
            .map(|(at, settings)| {
                let network = networks.as_ref().map_or_else(Vec::new, |networks| networks.wrapper(at + 1));
                [network, settings.wrapper()].concat()
            })
            .collect();
        let at = |port: u16| match &networks {
            Some(networks) => (1..=NODES).map(|number| format!("{}:{port}", networks.host(number))).collect(),
            None => free_addrs(NODES),
        };
        let mut cluster = Cluster::at(&at(7401), &at(7501), &wrappers, &["--insecure-peers"]);
        let disk = SmallDisk::mount(&cluster.nodes[ON_SMALL_DISK - 1].data_dir(), DISK_MIB);
        for (at, node) in cluster.nodes.iter_mut().enumerate() {
            let entries = if at + 1 == LOSABLE { SNAPSHOT_ENTRIES } else { NO_SNAPSHOTS };
            node.add_flags(&["--snapshot-entries", entries]);
            if at + 1 == ON_SMALL_DISK {
                node.add_flags(&["--disk-reserve-mib", "64"]);
            }
        }
        let starts = (0..NODES).map(|_| AtomicU64::new(0)).collect();
        let mut stage = Self { cluster, networks, disk, starts, settings, _folder: folder };
        (1..=NODES).for_each(|number| stage.start_node(number));
        stage.cluster.all_ready().await;
        Ok(stage)
    }

    /// Registers the people, with short leases.
    pub async fn team(&self) -> Team {
        let team = Team::of(&self.cluster).await;
        let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
        let settings = json!({
            "session.timeout": seconds(LEASE_MS),
            "session.grace": seconds(GRACE_MS),
            "session.unattended": seconds(LEASE_MS) * 3.0,
        });
        team.settings(settings).await;
        team
    }

    /// Starts a node that does not run.
    pub fn start_node(&mut self, number: usize) {
        self.starts[number - 1].fetch_add(1, Ordering::Relaxed);
        self.cluster.nodes[number - 1].start();
    }

    /// The settings of a node's shim.
    pub fn settings(&self, number: usize) -> &Settings {
        &self.settings[number - 1]
    }

    /// The node that says it leads, if one does.
    pub async fn leader(&self) -> Option<usize> {
        for (at, node) in self.cluster.nodes.iter().enumerate() {
            let client = Client::new(node.url());
            let answer = client.send_bare(reqwest::Method::GET, "/health", None);
            let answer = tokio::time::timeout(Duration::from_millis(500), answer).await;
            if let Ok(Ok(answer)) = answer
                && answer.status.is_success()
                && answer.body["checks"]["raft"]["role"] == "leader"
            {
                return Some(at + 1);
            }
        }
        None
    }

    /// Copies the logs of all nodes into a folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_logs(&self, folder: &std::path::Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut nodes = self.cluster.nodes.iter();
        nodes.try_for_each(|node| fs::write(folder.join(format!("node-{}.log", node.number)), node.log()))
    }
}
