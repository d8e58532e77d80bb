//! The measurements of one kind, and whether they are within the bar.

use super::{Kind, target::Report};
use crate::bench::load::percentile;
use serde::Serialize;
use std::time::Duration;

/// The bar for honest writes at the 99th percentile, on two idle cores.
pub const SLOWEST: Duration = Duration::from_millis(250);
/// The bar for the peak resident memory of a node.
pub const MOST_MEMORY_KIB: u64 = 512 << 10;
/// The bar for the time that all nodes together take to stop.
pub const LONGEST_STOP: Duration = Duration::from_secs(5);

/// The durations of one sort of request of the team.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latencies {
    /// The number of requests.
    pub count: usize,
    /// The median duration, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of the durations.
    pub p99_ms: f64,
    /// The longest of them, in milliseconds.
    pub max_ms: f64,
}

impl Latencies {
    /// Summarises durations, given in any order.
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

/// The measurements of one kind of attack.
#[derive(Clone, Debug, Serialize)]
pub struct AttackResult {
    /// The kind of attack.
    pub kind: Kind,
    /// The report of the attacker.
    pub attacker: Report,
    /// Writes of the team other than heartbeats, each from its first attempt to its answer.
    pub writes: Latencies,
    /// Durations of heartbeats.
    #[serde(rename = "beats")]
    pub heartbeats: Latencies,
    /// Reads of the team.
    pub reads: Latencies,
    /// Registrations of engineers by the team's admin.
    pub registrations: Latencies,
    /// The number of the team's sessions that ended although they sent heartbeats.
    pub leases_lost: usize,
    /// Peak resident memory of the largest node.
    pub peak_kib: u64,
    /// Resident memory of the largest node when the attacker's time was over.
    pub after_kib: u64,
    /// Time from the signal to the end of the last node.
    pub stop_ms: u128,
    /// Violations: what must never happen and did.
    pub broken: Vec<String>,
}

impl AttackResult {
    /// The bars that were missed, for people. If `is_short`, no duration counts except that of the stop.
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
