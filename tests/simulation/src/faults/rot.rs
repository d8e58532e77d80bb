//! Bits that flip: in the memory of a node, or in what it has stored. The node has to find it, to fence itself, and is
//! rebuilt from the others; or the bit is gone, because a restart reads or a write replaces what it was in.

use super::{Faults, Kind, Repair};
use crate::{
    record, rot,
    world::{FENCE_MARK, Life, Place, SimulatedNode, World, points},
};
use nexus_domain::NodeId;
use nexus_node::integrity::rebuild;
use nexus_raft_store::storage::{Column, Crash, KeyRange, Order, Reader, SimulatedDisk};
use rand::RngExt;
use std::path::Path;

/// The longest time in milliseconds until a node whose memory is wrong has fenced itself or is right again, while
/// nothing else happens: a leader that is new permits it after ten seconds, and scrubs are as far apart.
const FOUND_WITHIN: u64 = 40_000;
/// The longest time in milliseconds until a bit that is to flip has flipped: some entry is applied by then.
const STRIKES_WITHIN: u64 = 3_000;
/// The time between two looks at a damaged node, in milliseconds.
const LOOKS_EVERY: u64 = 10;
/// The longest time in milliseconds for which a bit that is to flip waits until nothing else is wrong.
pub(super) const QUIET_WITHIN: u64 = 15_000;
/// Entries that nodes lag behind each other at most while a bit flips in memory: nobody gets a snapshot from that node.
const FEW_ENTRIES: u64 = 20;

/// A node with a bit that has flipped.
#[derive(Clone, Debug)]
pub(super) struct Damaged {
    place: Place,
    /// The id that it had.
    former: Option<NodeId>,
    since: u64,
    bit: Bit,
    /// Whether it has found the damage, and waits to be rebuilt.
    is_out: bool,
    /// Whether it is rebuilt, under another id.
    is_rebuilt: bool,
}

/// The place of the bit.
#[derive(Clone, Debug)]
enum Bit {
    Memory,
    Stored {
        column: Column,
        key: Vec<u8>,
        damaged: Vec<u8>,
        /// When the node is restarted, so that its start finds it.
        restarts_at: Option<u64>,
    },
}

impl Faults {
    /// Flips a bit in the memory of the node where one is to flip, once nothing else is wrong.
    pub(super) fn flip_in_memory(&mut self, world: &World, now: u64) {
        let Some((place, until)) = self.flips.filter(|_| now.is_multiple_of(LOOKS_EVERY)) else { return };
        let is_quiet = !world.nodes[place].is_retired()
            && self.may_lose_a_node(world, now)
            && self.repairs.is_empty()
            && are_close(world);
        if is_quiet {
            points::plan_nothing();
            rot::plan(place, self.rng.random());
            self.has_damaged(world, now, place, Bit::Memory);
            self.note(now, Kind::BitInMemory, format!("a bit will flip in the memory of node {place}"));
        }
        if is_quiet || now > until {
            self.flips = None;
        }
    }

    /// Flips a bit of what a node has stored.
    pub(super) fn flip_on_disk(&mut self, world: &mut World, now: u64, place: Place) {
        let node = &mut world.nodes[place];
        let columns = [Column::Log, Column::Rows, Column::Meta, Column::Documents, Column::Events];
        let column = columns[self.rng.random_range(0..columns.len())];
        let pairs = node.disk().scan(column, &KeyRange::all(), Order::Ascending);
        let keys: Vec<Box<[u8]>> = pairs.filter_map(|pair| Some(pair.ok()?.0)).collect();
        if keys.is_empty() {
            return;
        }
        let key = keys[self.rng.random_range(0..keys.len())].to_vec();
        node.rot(column, &key);
        let Some(damaged) = stored(node, column, &key) else { return };
        let after = now + self.rng.random_range(500..6_000);
        let is_restarted = column == Column::Meta || self.rng.random_bool(0.5);
        let what = format!("a bit flips on the disk of node {place}, in {column} at {key:x?}");
        let restarts_at = is_restarted.then_some(after);
        self.has_damaged(world, now, place, Bit::Stored { column, key, damaged, restarts_at });
        self.note(now, Kind::BitOnDisk, what);
    }

    fn has_damaged(&mut self, world: &World, now: u64, place: Place, bit: Bit) {
        let former = world.nodes[place].cluster().map(|cluster| cluster.status().id);
        self.has_lost_a_disk = true;
        self.damaged = Some(Damaged { place, former, since: now, bit, is_out: false, is_rebuilt: false });
    }

    /// Whether nothing else may happen now: what a node with a wrong memory sends is not checked by those who get it,
    /// so that a node that lags would take over its state.
    pub(super) fn holds_off(&self) -> bool {
        let in_memory = |damaged: &Damaged| matches!(damaged.bit, Bit::Memory) && !damaged.is_out;
        self.flips.is_some()
            || self.damaged.as_ref().is_some_and(|damaged| in_memory(damaged) && !damaged.is_rebuilt)
    }

    /// Whether the node at a place waits to be rebuilt, and starts no more as the one that it was.
    pub(super) fn is_out(&self, place: Place) -> bool {
        self.damaged.as_ref().is_some_and(|damaged| damaged.place == place && damaged.is_out)
    }

    /// Whether a bit has flipped, and the node is neither rebuilt nor right again.
    pub fn has_damage(&self) -> bool {
        self.damaged.as_ref().is_some_and(|damaged| !damaged.is_rebuilt)
    }

    /// The id of a node before it was rebuilt, with its place.
    pub fn rebuilt(&self) -> Option<(Place, NodeId)> {
        let damaged = self.damaged.as_ref().filter(|damaged| damaged.is_rebuilt)?;
        Some((damaged.place, damaged.former?))
    }

    /// Looks after a damaged node: whether it leads, whether the bit is gone, and whether it is time for a restart.
    pub(super) fn watch_damaged(&mut self, world: &mut World, now: u64) {
        let Some(damaged) = self.damaged.clone().filter(|damaged| !damaged.is_out && !damaged.is_rebuilt)
        else {
            return;
        };
        if !now.is_multiple_of(LOOKS_EVERY) {
            return;
        }
        let node = &mut world.nodes[damaged.place];
        match damaged.bit {
            Bit::Memory => self.watch_memory(world, now, &damaged),
            Bit::Stored { column, key, damaged: value, restarts_at } => {
                if stored(node, column, &key) != Some(value) {
                    self.log.push((now, format!("the bit on the disk of node {} is gone", damaged.place)));
                    self.damaged = None;
                } else if restarts_at.is_some_and(|at| now >= at) && node.life() == Life::Up {
                    self.restart_damaged(world, now);
                }
            }
        }
    }

    fn watch_memory(&mut self, world: &World, now: u64, damaged: &Damaged) {
        let place = damaged.place;
        let Some(doubt) = rot::doubt() else {
            if now > damaged.since + STRIKES_WITHIN {
                rot::plan_nothing();
                self.damaged = None;
            }
            return;
        };
        let Some(cluster) = world.nodes[place].cluster() else { return };
        let status = cluster.status();
        if status.leader == Some(status.id) {
            rot::leads();
        }
        let own = cluster.local();
        let others =
            world.nodes.iter().filter(|node| node.place() != place).filter_map(SimulatedNode::cluster);
        let is_right = own.revision() >= doubt.before
            && others.map(|other| other.local()).any(|other| {
                other.revision() == own.revision()
                    && other.state_hash() == own.state_hash()
                    && other.state() == own.state()
            });
        if is_right {
            rot::end(now);
            self.damaged = None;
            self.log.push((now, format!("the bit in the memory of node {place} is gone")));
        } else if now > doubt.began + FOUND_WITHIN {
            rot::end(now);
            self.damaged = None;
            record::violated(format!(
                "a bit that flipped in the memory of node {place} at {} ms, in {}, is not found",
                doubt.began, doubt.row
            ));
        }
    }

    /// Restarts a node with a bit that has flipped on its disk, so that its start finds it.
    pub(super) fn restart_damaged(&mut self, world: &mut World, now: u64) {
        let Some(Damaged {
            place,
            bit: Bit::Stored { restarts_at, .. },
            is_out: false,
            is_rebuilt: false,
            ..
        }) = &mut self.damaged
        else {
            return;
        };
        *restarts_at = None;
        let place = *place;
        world.nodes[place].pause(false);
        world.nodes[place].crash(Crash::Process);
        self.later(now + 500, Repair::Start(place));
        self.log.push((now, format!("node {place} is restarted, with a bit flipped on its disk")));
    }

    /// Takes a node out that has found a damage. Returns whether it is out.
    pub(super) fn take_out(&mut self, world: &mut World, now: u64, place: Place) -> bool {
        let Some(damaged) =
            self.damaged.as_mut().filter(|damaged| damaged.place == place && !damaged.is_rebuilt)
        else {
            return false;
        };
        let node = &mut world.nodes[place];
        if damaged.is_out || !node.is_fenced() {
            return damaged.is_out;
        }
        damaged.is_out = true;
        let why = node.failed().unwrap_or_default();
        node.crash(Crash::Process);
        rot::end(now);
        let after = now + self.rng.random_range(500..4_000);
        self.later(after, Repair::Rebuild(place));
        self.log.push((now, format!("node {place} is out: {why}")));
        true
    }

    /// Rebuilds a node: its data is put aside, and it comes back from the others, under another id.
    pub(super) fn rebuild(&mut self, world: &mut World, now: u64, place: Place) {
        let node = &mut world.nodes[place];
        let folder: &Path = node.folder();
        // A start that finds damage leaves no mark, and the operator insists.
        let is_forced = !folder.join(FENCE_MARK).exists();
        if let Err(error) = rebuild::order(folder, is_forced) {
            record::violated(format!("node {place} cannot be rebuilt: {error:#}"));
            return;
        }
        // Its folder stays, with the order to rebuild it.
        node.put_disk(SimulatedDisk::new());
        node.set_rules_up_to(None);
        node.start();
        if let Some(damaged) = &mut self.damaged {
            (damaged.is_out, damaged.is_rebuilt) = (false, true);
        }
        self.note(now, Kind::Rebuild, format!("node {place} is rebuilt"));
    }
}

fn stored(node: &SimulatedNode, column: Column, key: &[u8]) -> Option<Vec<u8>> {
    node.disk().get(column, key).ok().flatten()
}

/// Whether all nodes have applied nearly the same.
fn are_close(world: &World) -> bool {
    let present = world.present();
    let clusters = present.iter().filter_map(|place| world.nodes[*place].cluster());
    let applied: Vec<u64> = clusters.map(|cluster| cluster.local().revision().0).collect();
    let (least, most) = (applied.iter().min(), applied.iter().max());
    applied.len() == present.len() && least.zip(most).is_some_and(|(least, most)| most - least <= FEW_ENTRIES)
}
