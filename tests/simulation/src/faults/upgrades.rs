//! Upgrades of the rules: some nodes begin with a program that knows only older ones, and are restarted with newer
//! ones, one after the other. The cluster raises its rules by itself once every member knows them.

use super::{Faults, Kind, Repair};
use crate::world::{Life, World};
use nexus_domain::RulesVersion;
use nexus_raft_store::storage::Crash;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// The part of the runs that begin with older programs.
const SOME_RUNS: f64 = 0.4;

/// The upgrades of one run. They have randomness of their own, so that they change nothing about other faults.
pub(super) struct Upgrades {
    rng: SmallRng,
    /// When the next node is upgraded.
    next: u64,
}

impl Upgrades {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed ^ 0x7570_6772), next: 0 }
    }
}

impl Faults {
    /// Gives some or all nodes a program that knows only older rules. No node runs yet.
    pub fn begin_with_old_rules(&mut self, world: &mut World) {
        let rng = &mut self.upgrades.rng;
        if self.without.contains(&Kind::Upgrade) || !rng.random_bool(SOME_RUNS) {
            return;
        }
        let are_all = rng.random_bool(0.5);
        for node in &mut world.nodes {
            if are_all || rng.random_bool(0.5) {
                node.set_rules_up_to(Some(older(rng, RulesVersion::FIRST)));
            }
        }
    }

    /// Upgrades the next node when its time has come, or all of them at the end. Some get a program that is not the
    /// newest one either.
    pub(super) fn upgrade(&mut self, world: &mut World, now: u64, are_all: bool) {
        let mut old = world.present();
        old.retain(|place| world.nodes[*place].rules_up_to().is_some());
        if old.is_empty() {
            return;
        }
        if self.upgrades.next == 0 {
            self.upgrades.next = now + self.upgrades.rng.random_range(2_000..15_000);
        }
        if !are_all && now < self.upgrades.next {
            return;
        }
        self.upgrades.next = now + self.upgrades.rng.random_range(1_000..8_000);
        let chosen = self.upgrades.rng.random_range(0..old.len());
        for (number, place) in old.into_iter().enumerate() {
            if !are_all && number != chosen {
                continue;
            }
            let node = &mut world.nodes[place];
            let known = node.rules_up_to().map_or(RulesVersion::KNOWN, |known| RulesVersion(known.0 + 1));
            let is_newest = are_all || known == RulesVersion::KNOWN || self.upgrades.rng.random_bool(0.7);
            let to = (!is_newest).then(|| older(&mut self.upgrades.rng, known));
            node.set_rules_up_to(to);
            // One that is stopped is upgraded when it goes on, as its supervisor waits for it.
            if node.life() != Life::Down {
                node.pause(false);
                node.crash(Crash::Process);
                let after = now + self.upgrades.rng.random_range(100..3_000);
                self.later(after, Repair::Start(place));
            }
            let to = to.unwrap_or(RulesVersion::KNOWN);
            self.note(now, Kind::Upgrade, format!("node {place} is upgraded to rules {to}"));
        }
    }
}

/// A version that is not the newest one, from this one on.
fn older(rng: &mut SmallRng, from: RulesVersion) -> RulesVersion {
    RulesVersion(rng.random_range(from.0..RulesVersion::KNOWN.0))
}
