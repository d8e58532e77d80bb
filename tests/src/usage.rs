//! Processor time and memory of processes, as Linux counts them.

use std::{fs, time::Duration};

/// The unit of processor time: USER_HZ, 100 a second on every Linux.
pub const TICKS_PER_SECOND: u64 = 100;

/// The usage of one process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident memory, in KiB.
    pub resident_kib: u64,
    /// Processor time since its start.
    pub ticks: u64,
}

/// The usage of a process; none if it does not run.
pub fn of(pid: u32) -> Option<Usage> {
    let resident_kib = memory_kib(pid, "VmRSS:")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may hold spaces: fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Usage { resident_kib, ticks })
}

/// Peak resident memory of a process since its start.
pub fn peak_kib(pid: u32) -> Option<u64> {
    memory_kib(pid, "VmHWM:")
}

fn memory_kib(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let amount = status.lines().find_map(|line| line.strip_prefix(name))?;
    amount.trim().trim_end_matches(" kB").parse().ok()
}

/// Processor time between two measurements of the same processes.
pub fn between(before: &[Usage], after: &[Usage]) -> Duration {
    let ticks: u64 =
        before.iter().zip(after).map(|(before, after)| after.ticks.saturating_sub(before.ticks)).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}
