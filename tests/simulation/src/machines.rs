//! The machines of a run, and the settings of their nodes.

use crate::world::{Machine, Rules, Wrap};
use nexus_node::settings::{args::StartArgs, config::Config};
use std::{fs, path::Path};

/// Entries between two snapshots.
const SNAPSHOT_ENTRIES: u64 = 150;

/// Seconds between two scrubs, which find what nothing else would read within a run.
const SCRUB_SECONDS: u64 = 10;

/// A machine with a folder of its own, whose node belongs to the cluster of these nodes.
///
/// # Panics
/// When its folder cannot be made.
pub(crate) fn machine(place: usize, folder: &Path, initial: &str, rules: Rules, wrap: Wrap) -> Machine {
    let folder = folder.join(place.to_string());
    fs::create_dir_all(&folder).expect("the folder of the run can be made");
    let peer_addr = format!("node-{place}:7501");
    let args = StartArgs {
        node_id: Some(place as u64 + 1),
        data_dir: Some(folder),
        listen: Some("127.0.0.1:7401".to_owned()),
        advertise: Some(format!("node-{place}:7401")),
        peer_listen: Some("127.0.0.1:7501".to_owned()),
        peer_advertise: Some(peer_addr.clone()),
        initial_cluster: Some(initial.to_owned()),
        insecure_peers: true,
        cluster_secret: Some("of the simulated nodes, and long enough".to_owned()),
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
        scrub_interval: Some(SCRUB_SECONDS),
        ..StartArgs::default()
    };
    let config = Config::from_args(args).expect("the settings are sound");
    Machine { place, config, peer_addr, rules, wrap }
}
