//! One machine of a simulated world with a node on it: its own runtime with its own clock, so that it can be killed,
//! paused, and given a clock that goes wrong.

use super::{
    clock::{NodeClock, WorldTime},
    network::{Network, Place},
    pointed_disk::PointedDisk,
    points,
    servers::{Servers, SimulatedJoinClient},
};
use nexus_api::{
    cluster::{Cluster, NodeStatus},
    mint::Mint,
};
use nexus_domain::RulesVersion;
use nexus_node::{
    peer::wire::Listen,
    run::{FreeSpace, RunningNode, Sources},
    settings::{config::Config, origin::Origin},
};
use nexus_raft_store::{
    StateMachine, StoreError,
    storage::{Column, Crash, SimulatedDisk, Storage},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Runtime, time::Instant};
use uuid::Uuid;

/// The rules of a state machine.
pub type Rules =
    fn(&mut nexus_domain::State, nexus_domain::Revision, &nexus_domain::Proposal) -> nexus_domain::Applied;

/// A wrapping of a disk.
pub type Wrap = fn(Arc<dyn Storage>) -> Arc<dyn Storage>;

/// The parts of a machine.
#[derive(Clone)]
pub struct Machine {
    /// Its place in the network.
    pub place: Place,
    /// The settings of its node.
    pub config: Config,
    /// The address of its node for other nodes.
    pub peer_addr: String,
    /// The address of its node for clients.
    pub client_addr: String,
    /// The rules of its node.
    pub rules: Rules,
    /// The wrapping of its disk, for defects that are planted.
    pub wrap: Wrap,
}

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its process does not run.
    Down,
    /// Its process runs.
    Up,
    /// Its process is stopped, as by SIGSTOP.
    Paused,
}

/// The state of a node, as its process says.
#[derive(Default)]
struct Slot {
    cluster: Option<Arc<dyn Cluster>>,
    failed: Option<String>,
    /// Whether it has ended because its state is wrong or its data is damaged.
    is_fenced: bool,
}

/// A machine with a node.
pub struct SimulatedNode {
    machine: Machine,
    network: Network,
    servers: Servers,
    time: WorldTime,
    clock: Arc<NodeClock>,
    space: Arc<Space>,
    disk: SimulatedDisk,
    slot: Arc<Mutex<Slot>>,
    runtime: Option<Runtime>,
    is_paused: bool,
    /// Whether a bit of its disk has ever flipped.
    has_rotten: bool,
    /// How many parts of a million its monotonic clock is too fast.
    fast_ppm: i64,
    /// When its process started: in the world's time and by its own clock.
    began: Option<(u64, Instant)>,
    seeds: SmallRng,
    starts: u64,
    /// Whether the machine was taken away for good.
    is_retired: bool,
}

impl SimulatedNode {
    /// A machine without a running node, and with an empty disk.
    pub(super) fn new(
        machine: Machine,
        (network, servers, time): (Network, Servers, WorldTime),
        seed: u64,
    ) -> Self {
        let clock = Arc::new(NodeClock::new(time.clone()));
        servers.add(machine.client_addr.clone(), machine.place);
        Self {
            machine,
            network,
            servers,
            time,
            clock,
            space: Arc::default(),
            disk: SimulatedDisk::new(),
            slot: Arc::default(),
            runtime: None,
            is_paused: false,
            has_rotten: false,
            fast_ppm: 0,
            began: None,
            seeds: SmallRng::seed_from_u64(seed),
            starts: 0,
            is_retired: false,
        }
    }

    /// Its place in the network.
    pub const fn place(&self) -> Place {
        self.machine.place
    }

    /// The folder with its small files.
    pub fn folder(&self) -> &Path {
        &self.machine.config.data_dir
    }

    /// How often its process has started.
    pub const fn starts(&self) -> u64 {
        self.starts
    }

    /// The state of its process.
    pub fn life(&self) -> Life {
        match (&self.runtime, self.is_paused) {
            (None, _) => Life::Down,
            (Some(_), true) => Life::Paused,
            (Some(_), false) => Life::Up,
        }
    }

    /// The interface for its clients, once it serves.
    pub fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        self.slot().cluster.clone()
    }

    /// The status of its node and of the cluster, as it knows them now by its own clock. None while it does not serve.
    pub fn status(&self) -> Option<NodeStatus> {
        let cluster = self.cluster()?;
        let _clock = self.runtime.as_ref()?.enter();
        Some(cluster.status())
    }

    /// Whether its node is one of those that form the cluster, and not one that joins it.
    pub fn is_initial(&self) -> bool {
        matches!(self.machine.config.origin, Origin::Initial { .. })
    }

    /// Whether the machine was taken away for good.
    pub const fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Why it has ended by itself, if it has.
    pub fn failed(&self) -> Option<String> {
        self.slot().failed.clone()
    }

    /// Whether it has ended because its state is wrong or its data is damaged. It is to be rebuilt.
    pub fn is_fenced(&self) -> bool {
        self.slot().is_fenced
    }

    /// The disk of this machine.
    pub fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    /// Flips a bit of a value on its disk.
    pub fn rot(&mut self, column: Column, key: &[u8]) {
        self.has_rotten = true;
        self.disk.rot(column, key);
    }

    /// Whether a bit of its disk has ever flipped.
    pub const fn has_rotten(&self) -> bool {
        self.has_rotten
    }

    /// Its wall clock.
    pub fn clock(&self) -> &NodeClock {
        &self.clock
    }

    /// Sets how much space is free on its disk, as its node sees it.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.space.0.store(bytes, Ordering::Relaxed);
    }

    /// Sets how many parts of a million its monotonic clock is too fast, from its next start on.
    pub fn set_fast_ppm(&mut self, ppm: i64) {
        self.fast_ppm = ppm;
    }

    /// The newest rules that its program knows; none for all of them.
    pub fn rules_up_to(&self) -> Option<RulesVersion> {
        self.machine.config.rules_up_to
    }

    /// Gives it a program that knows the rules up to this version, from its next start on; none for all of them.
    pub fn set_rules_up_to(&mut self, rules: Option<RulesVersion>) {
        self.machine.config.rules_up_to = rules;
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts its process.
    ///
    /// # Panics
    /// When it runs already, or was taken away.
    pub fn start(&mut self) {
        assert!(self.runtime.is_none() && !self.is_retired, "the node runs already, or was taken away");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime needs nothing that could be missing");
        self.network.restart(self.machine.place);
        let peers = self.network.listen(self.machine.place, &self.machine.peer_addr);
        let sources = Sources {
            clock: self.clock.clone(),
            mint: Arc::new(SeededMint::new(self.seeds.random())),
            dial: self.network.of(self.machine.place),
            join_client: Some(Arc::new(SimulatedJoinClient {
                servers: self.servers.clone(),
                network: self.network.clone(),
                place: self.machine.place,
            })),
            space: self.space.clone(),
            reload: Arc::default(),
        };
        self.starts += 1;
        self.slot = Arc::default();
        let (slot, machine, servers) = (self.slot.clone(), self.machine.clone(), self.servers.clone());
        points::starts(machine.place, self.disk.clone());
        let disk = (machine.wrap)(Arc::new(PointedDisk { disk: self.disk.clone(), place: machine.place }));
        let began = runtime.block_on(async { Instant::now() });
        runtime.spawn(async move {
            let place = machine.place;
            let mark = machine.config.data_dir.join(FENCE_MARK);
            let (why, is_fenced) = match run(machine, peers, disk, sources, (&slot, &servers)).await {
                Ok(ended) => ended,
                Err(error) => {
                    let damage = error.downcast_ref::<StoreError>().is_some_and(StoreError::is_damage);
                    (format!("{error:#}"), damage)
                }
            };
            servers.has_ended(place);
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.cluster = None;
            slot.failed = Some(why);
            slot.is_fenced = is_fenced || mark.exists();
        });
        (self.runtime, self.is_paused, self.began) = (Some(runtime), false, Some((self.time.now(), began)));
    }

    /// Ends its process at once. What is left on its disk depends on the kind of crash; when the power fails, nobody in
    /// the network learns of it.
    pub fn crash(&mut self, crash: Crash) {
        if self.runtime.is_some() {
            // What still runs while it is dropped changes nothing any more.
            self.crash_with(crash, self.disk.crash(crash));
        }
    }

    /// Ends its process, whose disk has been left like this.
    pub(super) fn crash_with(&mut self, crash: Crash, disk: SimulatedDisk) {
        let Some(runtime) = self.runtime.take() else { return };
        if crash != Crash::Process {
            self.network.silence(self.machine.place);
        }
        self.disk = disk;
        self.slot = Arc::default();
        self.servers.has_ended(self.machine.place);
        drop(runtime);
    }

    /// Gives it an empty disk. Its process must not run.
    ///
    /// # Panics
    /// When it runs.
    pub fn wipe(&mut self) {
        assert!(self.runtime.is_none(), "a disk is not taken away from a process");
        self.disk = SimulatedDisk::new();
        for file in fs::read_dir(self.folder()).into_iter().flatten().flatten() {
            let _ = fs::remove_file(file.path());
        }
    }

    /// Takes the machine away for good: nobody hears of it again.
    pub fn retire(&mut self) {
        self.crash(Crash::Power);
        self.network.silence(self.machine.place);
        self.is_retired = true;
    }

    /// Gives it a disk that was built elsewhere. Its process must not run.
    ///
    /// # Panics
    /// When it runs.
    pub fn put_disk(&mut self, disk: SimulatedDisk) {
        assert!(self.runtime.is_none(), "a disk is not taken away from a process");
        self.disk = disk;
    }

    /// Stops its process, as SIGSTOP does, or lets it go on.
    pub fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Runs a request of a client on the node. Its answer is lost if the process ends before it.
    pub fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(request);
        }
    }

    /// Lets everything happen that is due by now.
    pub(super) fn advance(&self) {
        let (Some(runtime), Some((began, origin)), false) = (&self.runtime, self.began, self.is_paused)
        else {
            return;
        };
        let gone = i64::try_from(self.time.now() - began).unwrap_or(i64::MAX);
        let own = gone + gone.saturating_mul(self.fast_ppm) / 1_000_000;
        let until = origin + Duration::from_millis(u64::try_from(own).unwrap_or(0));
        runtime.block_on(async {
            let late = until.saturating_duration_since(Instant::now());
            // After a pause everything that was due happens at once, and not one after the other.
            if late > LONGEST_STEP {
                tokio::time::advance(late).await;
            }
            tokio::time::sleep_until(until).await;
        });
    }
}

/// The file that marks a folder whose node has fenced itself.
pub(crate) const FENCE_MARK: &str = "fenced.json";

/// A process that did not run for longer than this was paused.
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// The process of a node. Returns why it has ended, and whether it has fenced itself.
async fn run(
    machine: Machine,
    peers: Box<dyn Listen>,
    disk: Arc<dyn Storage>,
    sources: Sources,
    (slot, servers): (&Mutex<Slot>, &Servers),
) -> anyhow::Result<(String, bool)> {
    let (log, state_machine, store) = nexus_raft_store::open(disk).await?;
    let state_machine: StateMachine = state_machine.with_rules(machine.rules);
    let place = machine.place;
    let node =
        RunningNode::start_simulated(machine.config, sources, (log, state_machine, store), peers).await?;
    servers.serves(place, node.cluster());
    slot.lock().unwrap_or_else(PoisonError::into_inner).cluster = Some(node.cluster());
    tokio::select! {
        biased;
        why = node.failed() => Ok((why, false)),
        restart = node.restarts() => Ok((format!("{restart:?}"), true)),
    }
}

/// The free space of a disk.
struct Space(AtomicU64);

impl Default for Space {
    fn default() -> Self {
        Self(AtomicU64::new(1 << 40))
    }
}

impl FreeSpace for Space {
    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

/// Ids and secrets from a seed.
pub struct SeededMint(Mutex<SmallRng>);

impl SeededMint {
    /// Ids and secrets from this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::array::from_fn(|_| rng.random())
    }
}

impl Mint for SeededMint {
    fn id(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    fn secret(&self) -> [u8; 32] {
        self.bytes()
    }
}
