//! The time of a simulated world, and the clocks of its nodes, which may be wrong.

use nexus_domain::WallTime;
use nexus_node::raft::clock::Clock;
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};
use tokio::time::Instant;

/// The time of day at which a world begins.
pub const BEGIN: i64 = 1_767_225_600_000;

/// The true time of a world, which no node knows. Clones share it.
#[derive(Clone, Default)]
pub struct WorldTime(Arc<AtomicU64>);

impl WorldTime {
    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

/// The clocks of one node. Its monotonic clock is that of its runtime, which the world moves on.
pub struct NodeClock {
    time: WorldTime,
    ahead: AtomicI64,
}

impl NodeClock {
    /// A clock that is right.
    pub fn new(time: WorldTime) -> Self {
        Self { time, ahead: AtomicI64::new(0) }
    }

    /// Sets how far the wall clock is ahead of the true time, in milliseconds.
    pub fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> WallTime {
        let now = i64::try_from(self.time.now()).unwrap_or(i64::MAX);
        WallTime(BEGIN + now + self.ahead.load(Ordering::Relaxed))
    }
}
