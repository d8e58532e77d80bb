//! The configuration of openraft.

use nexus_api_types::cluster::NodeTiming;
use nexus_raft_store::{StateMachine, TypeConfig};
use openraft::{Config, SnapshotPolicy};
use std::{sync::Arc, time::Duration};

/// The Raft instance of this node.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;
/// A snapshot of what openraft knows about itself and the members: parts of one belong together.
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;

/// The settings of Raft that an operator may tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The time between two heartbeats of the leader. Across regions, it should be a round trip.
    pub heartbeat: Duration,
    /// The shortest election timeout; the longest one is twice that. It should be ten round trips at least.
    pub election: Duration,
    /// Log entries between two snapshots.
    pub snapshot_entries: u64,
    /// Log entries that are kept behind a snapshot, for followers that lag a little.
    pub kept_entries: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self::LAN
    }
}

impl Timing {
    /// The times for nodes in one place: in one data centre or in neighbouring ones, up to some 20 ms of round trip.
    pub const LAN: Self = Self {
        heartbeat: Duration::from_millis(100),
        // A follower waits for the lease of the lost leader and then for its own time-out: at most 1.6 s, so that the
        // cluster answers again well within three.
        election: Duration::from_millis(400),
        snapshot_entries: 20_000,
        kept_entries: 5_000,
    };

    /// The times for nodes in several regions, up to 250 ms of round trip: a heartbeat each round trip, and ten of them
    /// before an election, as etcd advises, since a packet that has to be sent again takes a second already. A lost
    /// leader is replaced within 10 s.
    pub const WAN: Self =
        Self { heartbeat: Duration::from_millis(250), election: Duration::from_millis(2_500), ..Self::LAN };

    /// A write or a read that got no answer in this time fails with 503. It covers the loss of a leader and the
    /// election of another one, and is 4 s at least.
    pub fn request_deadline(&self) -> Duration {
        /// Longest time of a request once there is a leader.
        const MARGIN: Duration = Duration::from_secs(2);
        Duration::from_secs(4).max(self.lease() * 2 + MARGIN)
    }

    /// These times, as the node reports them.
    pub(crate) fn shown(&self) -> NodeTiming {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        NodeTiming { heartbeat_ms: millis(self.heartbeat), election_ms: millis(self.election) }
    }

    /// The longest time for which a leader without a quorum still believes that it leads.
    pub fn lease(&self) -> Duration {
        self.election * 2
    }

    /// The configuration of openraft.
    ///
    /// # Errors
    /// When the times contradict each other.
    pub fn config(&self) -> Result<Arc<Config>, openraft::ConfigError> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let config = Config {
            cluster_name: "nexus".to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election),
            election_timeout_max: millis(self.lease()),
            // One snapshot chunk and its installation may take long on a slow disk.
            install_snapshot_timeout: 60_000,
            max_payload_entries: 1_000,
            // A follower further behind gets a snapshot instead of the log.
            replication_lag_threshold: self.snapshot_entries.saturating_mul(2),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.kept_entries,
            // The default of 1 would delete the log one entry at a time. A thousand of 20,000.
            purge_batch_size: (self.snapshot_entries / 20).max(1),
            // Bounded queues: full means that callers wait, and then get a 503.
            api_channel_size: Some(8_192),
            notification_channel_size: Some(8_192),
            state_machine_channel_size: Some(1_024),
            // A leader replicates an entry while its own disk still writes it. Killed in between, it would
            // come back without the entry, lead on in the same term, and give its index to another one,
            // which followers take for the one they have. A restarted leader has to be elected anew.
            enable_leader_restore: Some(false),
            // A node that comes back from a partition must not depose a healthy leader.
            enable_pre_vote: Some(true),
            ..Config::default()
        };
        config.validate().map(Arc::new)
    }
}
