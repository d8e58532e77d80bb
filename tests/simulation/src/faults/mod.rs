//! Faults of a world: machines that lose their power, processes that are killed and stopped, links that stall and
//! break, clocks that jump, disks that fail and fill up, and operators who change the cluster meanwhile.
//!
//! - `kind`: the kinds of faults. `members`: the operator who changes the members. `rot`: bits that flip.
//!   `upgrades`: programs that know newer rules.

mod kind;
mod members;
mod rot;
mod upgrades;

pub use kind::Kind;

use rot::Damaged;
use upgrades::Upgrades;

use crate::{
    machines::Machines,
    team::people::LEASE,
    world::{
        Life, Place, SimulatedNode, World,
        points::{self, Planned, Point, Step},
    },
};
use members::Members;
use nexus_api::cluster::{Cluster, Operation};
use nexus_domain::NodeId;
use nexus_raft_store::storage::{Crash, Fault};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The end of a fault.
#[derive(Clone, Debug)]
enum Repair {
    Start(Place),
    Rebuild(Place),
    Resume(Place),
    Heal(Vec<(Place, Place)>),
    Near(Place, Place),
    Right(Place),
    Room(Place),
    FastDisk(Place),
    Undrain(NodeId),
    Promote(NodeId),
}

/// How much monotonic clocks differ from the true time at most, in parts of a million. Oscillators of machines stay
/// within 200.
pub const MAX_PPM: i64 = 500;
/// A change of the voters that was asked for so long ago, in milliseconds, is known to all or was given up.
const LONG_SETTLED: u64 = 20_000;

/// The faults of one run.
pub struct Faults {
    rng: SmallRng,
    next: u64,
    repairs: Vec<(u64, Repair)>,
    /// The kinds that do not happen, so that a failure can be traced to few of them.
    without: Vec<Kind>,
    /// Whether a disk was lost or a bit flipped: one of them in a run, since the loss of two nodes might be one too
    /// many.
    has_lost_a_disk: bool,
    /// The node with a bit that flipped, until it is rebuilt or the bit is gone.
    damaged: Option<Damaged>,
    /// The node in whose memory a bit is to flip as soon as nothing else is wrong, and until when to wait for that.
    flips: Option<(Place, u64)>,
    /// The upgrades of nodes that began with an older program.
    upgrades: Upgrades,
    /// When the vote of a node was last taken or given back.
    voters_changed: Option<u64>,
    members: Members,
    /// How often each kind has happened.
    pub counts: BTreeMap<Kind, u64>,
    /// Everything that happened, for people.
    pub log: Vec<(u64, String)>,
}

impl Faults {
    /// Faults of all kinds but these. New machines are as these are.
    pub(crate) fn new(seed: u64, without: Vec<Kind>, machines: Machines) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let counts = machines.regions.iter().map(|_| (Kind::Regions, 1)).collect();
        let members = Members::new(rng.random(), machines, !without.contains(&Kind::CrashPoint));
        Self {
            rng,
            upgrades: Upgrades::new(seed),
            next: 0,
            without,
            repairs: Vec::new(),
            has_lost_a_disk: false,
            damaged: None,
            flips: None,
            voters_changed: None,
            members,
            counts,
            log: Vec::new(),
        }
    }

    /// Lets happen what happens now.
    pub fn step(&mut self, world: &mut World) {
        let now = world.time.now();
        self.repair(world, now, false);
        self.start_what_ended(world, now);
        self.watch_damaged(world, now);
        self.flip_in_memory(world, now);
        self.change_members(world, now, false);
        if self.holds_off() {
            return;
        }
        self.upgrade(world, now, false);
        if now >= self.next {
            self.next = now + self.rng.random_range(200..3_000);
            let kind = Kind::CHOSEN[self.rng.random_range(0..Kind::CHOSEN.len())];
            if !self.without.contains(&kind) {
                self.happen(world, now, kind);
            }
        }
    }

    /// Ends all faults.
    pub fn end(&mut self, world: &mut World) {
        let now = world.time.now();
        points::plan_nothing();
        self.flips = None;
        self.restart_damaged(world, now);
        self.upgrade(world, now, true);
        self.repair(world, now, true);
        world.network.heal();
        self.start_what_ended(world, now);
        self.repair(world, now, true);
    }

    /// Starts nodes again that end by themselves, after the faults are over.
    pub fn keep_up(&mut self, world: &mut World) {
        let now = world.time.now();
        self.start_what_ended(world, now);
        self.watch_damaged(world, now);
        self.repair(world, now, false);
        self.change_members(world, now, true);
    }

    /// Whether no change of the members is under way.
    pub fn members_are_settled(&self) -> bool {
        !self.members.is_busy()
    }

    fn change_members(&mut self, world: &mut World, now: u64, is_over: bool) {
        if self.members.is_busy() {
            self.members.step(world, now, is_over, &mut self.log);
            self.voters_changed = Some(now);
        }
    }

    /// Whether faults of a kind happen.
    pub fn has(&self, kind: Kind) -> bool {
        !self.without.contains(&kind)
    }

    pub(crate) fn note(&mut self, now: u64, kind: Kind, what: impl Into<String>) {
        *self.counts.entry(kind).or_default() += 1;
        self.log.push((now, what.into()));
    }

    fn later(&mut self, at: u64, repair: Repair) {
        self.repairs.push((at, repair));
    }

    fn repair(&mut self, world: &mut World, now: u64, is_all: bool) {
        let repairs = std::mem::take(&mut self.repairs);
        for (at, repair) in repairs {
            if at > now && !is_all {
                self.repairs.push((at, repair));
                continue;
            }
            self.log.push((now, format!("repaired: {repair:?}")));
            match repair {
                Repair::Rebuild(place) => self.rebuild(world, now, place),
                Repair::Start(place) => {
                    let node = &world.nodes[place];
                    if !self.is_out(place) && node.life() == Life::Down && !node.is_retired() {
                        world.nodes[place].start();
                    }
                }
                Repair::Resume(place) => world.nodes[place].pause(false),
                Repair::Heal(ways) => {
                    ways.iter().for_each(|(from, to)| world.network.stall(*from, *to, false));
                }
                Repair::Near(one, other) => world.network.end_delay(one, other),
                Repair::Right(place) => world.nodes[place].clock().set_ahead(0),
                Repair::Room(place) => world.nodes[place].set_free_bytes(1 << 40),
                Repair::FastDisk(place) => world.nodes[place].disk().set_flush_delay(Duration::ZERO),
                Repair::Undrain(node) => operate(world, Operation::Drain { node, draining: false }),
                Repair::Promote(node) => {
                    self.voters_changed = Some(now);
                    operate(world, Operation::Promote(node));
                }
            }
        }
    }

    fn start_what_ended(&mut self, world: &mut World, now: u64) {
        for planned in std::mem::take(&mut world.crashed) {
            let after = now + self.rng.random_range(100..4_000);
            self.later(after, Repair::Start(planned.place));
            let how = format!("node {} crashes {}: {:?}", planned.place, planned.point, planned.crash);
            self.note(now, Kind::CrashPoint, how);
        }
        for place in 0..world.nodes.len() {
            if self.take_out(world, now, place) {
                continue;
            }
            let node = &mut world.nodes[place];
            if let Some(why) = node.failed() {
                node.crash(Crash::Process);
                let after = now + self.rng.random_range(100..2_000);
                self.later(after, Repair::Start(place));
                self.note(now, Kind::EndedByItself, format!("node {place} ended by itself: {why}"));
            }
        }
    }

    fn happen(&mut self, world: &mut World, now: u64, kind: Kind) {
        let present = world.present();
        let count = present.len();
        let at = self.rng.random_range(0..count);
        let place = present[at];
        let other = present[(at + self.rng.random_range(1..count.max(2))) % count];
        let up = world.nodes[place].life() == Life::Up;
        let short = now + self.rng.random_range(200..6_000);
        let long = now + self.rng.random_range(500..2 * LEASE);
        match kind {
            Kind::Kill | Kind::PowerLoss | Kind::TornWrite if up => {
                let crash = match kind {
                    Kind::Kill => Crash::Process,
                    Kind::PowerLoss => Crash::Power,
                    _ => Crash::Torn(self.rng.random_range(0..4)),
                };
                world.nodes[place].crash(crash);
                self.later(short, Repair::Start(place));
                self.note(now, kind, format!("node {place}: {crash:?}"));
            }
            // Rarely: nothing is asked of anybody meanwhile.
            Kind::Blackout if self.rng.random_bool(0.3) => {
                for place in present {
                    world.nodes[place].pause(false);
                    world.nodes[place].crash(Crash::Power);
                    self.later(short, Repair::Start(place));
                }
                self.note(now, kind, "all nodes lose their power");
            }
            Kind::Pause if up => {
                world.nodes[place].pause(true);
                self.later(long, Repair::Resume(place));
                self.note(now, kind, format!("node {place} is stopped for {} ms", long - now));
            }
            Kind::Isolation | Kind::OneWay | Kind::Cut if count > 1 => {
                let ways: Vec<(Place, Place)> = match kind {
                    Kind::Isolation => present
                        .iter()
                        .filter(|to| **to != place)
                        .flat_map(|to| [(place, *to), (*to, place)])
                        .collect(),
                    Kind::OneWay => vec![(place, other)],
                    _ => vec![(place, other), (other, place)],
                };
                ways.iter().for_each(|(from, to)| world.network.stall(*from, *to, true));
                self.note(now, kind, format!("nothing arrives on {ways:?} for {} ms", long - now));
                self.later(long, Repair::Heal(ways));
            }
            Kind::Reset if count > 1 => {
                world.network.break_between(place, other);
                self.note(now, kind, format!("connections of {place} and {other} break"));
            }
            Kind::SlowLink if count > 1 => {
                let delay = self.rng.random_range(20..150);
                world.network.set_delay(place, other, delay / 2..=delay);
                self.later(long, Repair::Near(place, other));
                self.note(now, kind, format!("the link of {place} and {other} takes {delay} ms"));
            }
            Kind::ClockJump => {
                let ahead = self.rng.random_range(-3_600_000..3_600_000);
                world.nodes[place].clock().set_ahead(ahead);
                self.later(long, Repair::Right(place));
                self.note(now, kind, format!("the wall clock of node {place} jumps by {ahead} ms"));
            }
            Kind::ClockRate if world.nodes[place].life() == Life::Down => {
                let ppm = self.rng.random_range(-MAX_PPM..=MAX_PPM);
                world.nodes[place].set_fast_ppm(ppm);
                self.note(now, kind, format!("the clock of node {place} is {ppm} ppm too fast"));
            }
            Kind::FlushFails | Kind::WriteFails | Kind::FileFails if up => {
                let after = self.rng.random_range(0..20);
                let fault = match kind {
                    Kind::FlushFails => Fault::Flush { after },
                    Kind::WriteFails => Fault::Write { after },
                    _ if self.rng.random_bool(0.5) => Fault::FileSync { after },
                    _ => Fault::File { after },
                };
                world.nodes[place].disk().plan(fault);
                self.note(now, kind, format!("node {place} will have {fault:?}"));
            }
            Kind::CrashPoint if up => {
                let point = Point {
                    step: Step::ALL[self.rng.random_range(0..Step::ALL.len())],
                    is_after: self.rng.random_bool(0.5),
                };
                let crash = [Crash::Process, Crash::Power, Crash::Torn(1)][self.rng.random_range(0..3)];
                // What happens rarely may not happen a second time before the next plan.
                let passes = if point.step.is_frequent() { self.rng.random_range(0..4) } else { 0 };
                points::plan(Planned { place, point, passes, crash });
            }
            Kind::BitInMemory if count > 2 && !self.has_lost_a_disk && finds_others(world, place) => {
                self.flips = Some((place, now + rot::QUIET_WITHIN));
            }
            Kind::BitOnDisk if self.may_lose_a_node(world, now) && finds_others(world, place) => {
                self.flip_on_disk(world, now, place);
            }
            Kind::LostDisk if self.may_lose_a_node(world, now) && finds_others(world, place) => {
                self.has_lost_a_disk = true;
                world.nodes[place].crash(Crash::Power);
                world.nodes[place].wipe();
                // A machine that takes the place of another one gets the newest program.
                world.nodes[place].set_rules_up_to(None);
                self.later(short, Repair::Start(place));
                self.note(now, kind, format!("node {place} has lost its disk"));
            }
            Kind::SlowDisk if up => {
                let delay = self.rng.random_range(20..1_500);
                world.nodes[place].disk().set_flush_delay(Duration::from_millis(delay));
                self.later(short, Repair::FastDisk(place));
                self.note(now, kind, format!("flushes of node {place} take {delay} ms"));
            }
            Kind::LowSpace if up => {
                world.nodes[place].set_free_bytes(1 << 20);
                self.later(short, Repair::Room(place));
                self.note(now, kind, format!("node {place} has no room for {} ms", short - now));
            }
            Kind::Transfer => {
                operate(world, Operation::TransferLeader(None));
                self.note(now, kind, "the leadership is to move");
            }
            Kind::Snapshot => {
                operate(world, Operation::Snapshot);
                self.note(now, kind, "a snapshot is asked for");
            }
            Kind::Drain if count > 1 => {
                let Some(node) = member(world, place) else { return };
                operate(world, Operation::Drain { node, draining: true });
                self.later(short, Repair::Undrain(node));
                self.note(now, kind, format!("node {place} is drained"));
            }
            Kind::Join | Kind::JoinOfReplica | Kind::Removal | Kind::Replacement | Kind::LostMachine => {
                let is_loss = kind == Kind::LostMachine;
                if self.has_lost_a_disk || is_loss && !self.may_lose_a_node(world, now) {
                    return;
                }
                if let Some(what) = self.members.begin(kind, world, now) {
                    self.has_lost_a_disk |= is_loss;
                    self.note(now, kind, what);
                }
            }
            Kind::Demotion if count > 1 && !self.has_lost_a_disk => {
                let Some(node) = member(world, place) else { return };
                self.voters_changed = Some(now);
                operate(world, Operation::Demote(node));
                self.later(short, Repair::Promote(node));
                self.note(now, kind, format!("node {place} loses its vote"));
            }
            _ => {}
        }
    }

    /// Whether the cluster bears that a node is lost for good.
    fn may_lose_a_node(&self, world: &World, now: u64) -> bool {
        !self.has_lost_a_disk
            && !self.members.is_busy()
            && self.voters_changed.is_none_or(|at| now > at + LONG_SETTLED)
            && world.present().into_iter().all(|place| is_well(&world.nodes[place]))
    }
}

/// Whether a node runs, and knows of as many voters as bear the loss of one.
fn is_well(node: &SimulatedNode) -> bool {
    let voters =
        node.cluster().map(|cluster| cluster.status().members.iter().filter(|member| member.voter).count());
    node.life() == Life::Up && voters.is_some_and(|voters| voters >= 3)
}

/// Whether a node without data finds the others: it knows those that formed the cluster, and one of them has to be
/// left.
fn finds_others(world: &World, place: Place) -> bool {
    let is_initial = |place: Place| world.nodes[place].is_initial();
    is_initial(place) && world.present().into_iter().any(|other| other != place && is_initial(other))
}

/// The member that the node at a place is.
fn member(world: &World, place: Place) -> Option<NodeId> {
    Some(world.nodes[place].cluster()?.status().id)
}

/// Asks the first node that serves. What becomes of it is seen by everybody, or by nobody.
fn operate(world: &World, operation: Operation) {
    let serving = world.nodes.iter().find_map(|node| Some((node, node.cluster()?)));
    let Some((node, cluster)): Option<(_, Arc<dyn Cluster>)> = serving else { return };
    node.spawn(async move {
        let _ = cluster.operate(operation).await;
    });
}
