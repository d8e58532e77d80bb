//! The machines of a run: where they stand, and the settings of their nodes.

use crate::world::{Machine, Place, Rules, World, Wrap};
use nexus_node::settings::{
    args::{StartArgs, TimingProfile},
    config::Config,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// Entries between two snapshots.
const SNAPSHOT_ENTRIES: u64 = 150;
/// Seconds between two scrubs, which find what nothing else would read within a run.
const SCRUB_SECONDS: u64 = 10;
/// The delay of a good link within a region in each direction, in milliseconds.
pub(crate) const NEAR: RangeInclusive<u64> = 1..=6;
/// The delay between two regions in each direction, in milliseconds.
const FAR: RangeInclusive<u64> = 30..=80;
/// How much the delay between two regions varies, in milliseconds.
const JITTER: u64 = 3;
/// The priorities that operators give to nodes; 100 is that of a node without one.
const PRIORITIES: [u8; 4] = [50, 100, 100, 200];

/// Regions, which are far from each other.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    /// The delay between each two of them in each direction, in milliseconds.
    delays: Vec<u64>,
    count: usize,
    seed: u64,
}

impl Regions {
    /// Two or three regions.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let count = rng.random_range(2..=3);
        let delays = (0..count * count).map(|_| rng.random_range(FAR)).collect();
        Self { delays, count, seed }
    }

    const fn of(&self, place: Place) -> usize {
        place % self.count
    }

    /// The delay between two places; none within a region.
    fn delay(&self, one: Place, other: Place) -> Option<RangeInclusive<u64>> {
        let (near, far) = (self.of(one).min(self.of(other)), self.of(one).max(self.of(other)));
        let delay = self.delays[near * self.count + far];
        (near != far).then_some(delay - JITTER..=delay + JITTER)
    }

    fn priority(&self, place: Place) -> u8 {
        let mut rng = SmallRng::seed_from_u64(self.seed ^ place as u64);
        PRIORITIES[rng.random_range(0..PRIORITIES.len())]
    }
}

/// The settings that all machines of a run have in common.
#[derive(Clone)]
pub(crate) struct Machines {
    /// The folder of the run, in which each machine has one of its own.
    pub(crate) folder: PathBuf,
    /// The nodes that form the cluster.
    pub(crate) initial: usize,
    /// The rules of the nodes.
    pub(crate) rules: Rules,
    /// The wrapping of their disks.
    pub(crate) wrap: Wrap,
    /// The regions that they stand in, if any.
    pub(crate) regions: Option<Regions>,
}

impl Machines {
    /// Adds one of those that form the cluster.
    pub(crate) fn add_initial(&self, world: &mut World, seed: u64) {
        let initial: Vec<Place> = (0..self.initial).collect();
        self.add_first(world, &initial, seed);
    }

    /// Adds the only node of a restored cluster.
    pub(crate) fn add_restored(&self, world: &mut World, seed: u64) {
        let place = world.nodes.len();
        self.add_first(world, &[place], seed);
    }

    fn add_first(&self, world: &mut World, initial: &[Place], seed: u64) {
        let place = world.nodes.len();
        let initial: Vec<String> =
            initial.iter().map(|place| format!("{}={}", place + 1, peer_addr(*place))).collect();
        let args = StartArgs {
            node_id: Some(place as u64 + 1),
            initial_cluster: Some(initial.join(",")),
            cluster_secret: Some("of the simulated nodes, and long enough".to_owned()),
            ..self.settings(place)
        };
        self.add(world, args, seed);
    }

    /// Adds one that joins through these others.
    pub(crate) fn add_joining(
        &self,
        world: &mut World,
        (servers, token, is_replica): (&[Place], String, bool),
        seed: u64,
    ) {
        let urls: Vec<String> =
            servers.iter().map(|place| format!("http://{}", client_addr(*place))).collect();
        let args = StartArgs {
            join: Some(urls.join(",")),
            join_token: Some(token),
            replica: is_replica,
            ..self.settings(world.nodes.len())
        };
        self.add(world, args, seed);
    }

    fn add(&self, world: &mut World, args: StartArgs, seed: u64) {
        let place = world.nodes.len();
        let config = Config::from_args(args).expect("the settings are sound");
        fs::create_dir_all(&config.data_dir).expect("the folder of the run can be made");
        for other in 0..place {
            let far = self.regions.as_ref().and_then(|regions| regions.delay(place, other));
            world.network.set_distance(place, other, far.unwrap_or(NEAR));
        }
        let (peer_addr, client_addr) = (peer_addr(place), client_addr(place));
        let (rules, wrap) = (self.rules, self.wrap);
        world.add(Machine { place, config, peer_addr, client_addr, rules, wrap }, seed);
    }

    fn settings(&self, place: Place) -> StartArgs {
        let regions = self.regions.as_ref();
        StartArgs {
            data_dir: Some(folder_of(&self.folder, place)),
            listen: Some("127.0.0.1:7401".to_owned()),
            advertise: Some(client_addr(place)),
            peer_listen: Some("127.0.0.1:7501".to_owned()),
            peer_advertise: Some(peer_addr(place)),
            insecure_peers: true,
            snapshot_entries: Some(SNAPSHOT_ENTRIES),
            scrub_interval: Some(SCRUB_SECONDS),
            timing: regions.map(|_| TimingProfile::Wan),
            region: regions.map(|regions| format!("region-{}", regions.of(place))),
            priority: regions.map(|regions| regions.priority(place)),
            ..StartArgs::default()
        }
    }
}

fn folder_of(run: &Path, place: Place) -> PathBuf {
    run.join(place.to_string())
}

fn peer_addr(place: Place) -> String {
    format!("node-{place}:7501")
}

fn client_addr(place: Place) -> String {
    format!("node-{place}:7401")
}
