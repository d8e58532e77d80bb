//! Whole clusters of Nexus in one thread, over a simulated network, simulated disks and simulated clocks, driven by a
//! seed. The oracles of nexus-oracles say whether what happened is what Nexus promises.
//!
//! - [`world`]: machines with nodes, the network between them, and their time. `machines`: where they stand, and their
//!   settings. [`record`]: what the nodes apply.
//!   [`rot`]: a bit that flips in the memory of one of them.
//! - [`team`]: engineers and agents who use them. [`faults`]: what happens to them.
//! - [`history`]: what the clients saw. [`verdict`]: asks all oracles about a run. [`second_opinion`]: the one of them
//!   that knows nothing but what clients saw. [`planted`]: defects that they have to find.
//! - [`run`]: one run, from its seed to its verdict. [`many`]: many runs, each in a process of its own.
//!   [`picture`]: a page that shows one.

pub mod faults;
pub mod history;
mod machines;
pub mod many;
pub mod picture;
pub mod planted;
pub mod record;
pub mod rot;
pub mod run;
pub mod second_opinion;
pub mod team;
pub mod verdict;
pub mod world;
