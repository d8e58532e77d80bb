//! Whole clusters of Nexus in one thread, over a simulated network, simulated disks and simulated clocks, driven by a
//! seed; and the oracles that say whether what happened is what Nexus promises.

pub mod history;
pub mod oracle;
