//! What was measured of one kind, and whether it is within the bar.

use super::{Kind, target::Report};
use crate::bench::load::percentile;
use serde::Serialize;
use std::time::Duration;

/// Honest writes at the 99th percentile, on two idle cores.
pub const SLOWEST: Duration = Duration::from_millis(250);
/// Resident memory of a node, at its highest.
pub const MOST_MEMORY_KIB: u64 = 512 << 10;
/// All nodes, told to stop at once, have stopped.
pub const LONGEST_STOP: Duration = Duration::from_secs(5);

/// How long the team waited for one sort of request.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latencies {
    /// How many there were.
    pub count: usize,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// The longest of them, in milliseconds.
    pub max_ms: f64,
}

impl Latencies {
    /// Of what was measured, in any order.
    pub fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        let millis = |wait: Duration| wait.as_secs_f64() * 1e3;
        Self {
            count: waits.len(),
            p50_ms: millis(percentile(&waits, 50)),
            p99_ms: millis(percentile(&waits, 99)),
            max_ms: millis(waits.last().copied().unwrap_or_default()),
        }
    }
}

/// What was measured of one kind of attack.
#[derive(Clone, Debug, Serialize)]
pub struct AttackResult {
    /// What was sent.
    pub kind: Kind,
    /// What the attacker did.
    pub attacker: Report,
    /// Writes of the team, each from its first try to its answer, but for signs of life.
    pub writes: Latencies,
    /// Signs of life.
    #[serde(rename = "beats")]
    pub heartbeats: Latencies,
    /// How long the team waited for reads.
    pub reads: Latencies,
    /// Engineers whom the team's admin registers meanwhile.
    pub registrations: Latencies,
    /// Sessions of the team that ended although they sent heartbeats.
    pub leases_lost: usize,
    /// Resident memory of the node that had most, at any moment.
    pub peak_kib: u64,
    /// The same when the attacker's time was over.
    pub after_kib: u64,
    /// From the signal to the end of the last node.
    pub stop_ms: u128,
    /// What must never happen and did.
    pub broken: Vec<String>,
}

impl AttackResult {
    /// What is missed of the bar, for people. Nothing that is measured in time counts when `is_short`, but for the stop.
    pub fn missed(&self, is_short: bool) -> Vec<String> {
        let mut missed = self.broken.clone();
        if self.leases_lost > 0 {
            missed.push(format!("{} leases lost", self.leases_lost));
        }
        if self.peak_kib > MOST_MEMORY_KIB {
            missed.push(format!("{} MiB of memory", self.peak_kib >> 10));
        }
        if self.stop_ms > LONGEST_STOP.as_millis() {
            missed.push(format!("stopped after {} ms", self.stop_ms));
        }
        if !is_short {
            missed.extend(self.attacker.missed.iter().cloned());
            if self.writes.p99_ms > SLOWEST.as_secs_f64() * 1e3 {
                missed.push(format!("p99 {:.0} ms", self.writes.p99_ms));
            }
            if self.writes.count == 0 {
                missed.push("the team wrote nothing".to_owned());
            }
        }
        missed
    }
}
