//! One run: a cluster is formed, a team works on it while faults happen, the faults end, and everything is checked.

mod records;
mod restore;
mod settle;

use crate::{
    faults::{Faults, Kind},
    machines::{Machines, NEAR, Regions},
    picture::{Moment, Seen},
    planted::Planted,
    record, rot,
    team::{
        Team,
        ask::{Answers, Operation, Outcome, What},
        people::People,
    },
    verdict::judge,
    world::{Life, Rules, SimulatedNode, World, Wrap, points},
};
use nexus_domain::{Recorded, Revision};
use nexus_node::BOOTSTRAP_TOKEN_FILE;
use nexus_oracles::{Violation, history::Record, order::HOLDERS};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use restore::{Backups, Restored};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::Xxh3;

/// The longest time for forming a cluster without faults, and for recovering after the last one, in milliseconds.
const SETTLES_WITHIN: u64 = 40_000;

/// The share of runs whose machines are in regions far from each other.
const IN_REGIONS: f64 = 0.2;

/// The plan of one run.
#[derive(Clone)]
pub struct Plan {
    /// The seed, which decides everything.
    pub seed: u64,
    /// How long faults happen, in milliseconds of the world.
    pub duration: u64,
    /// The kinds of faults that do not happen.
    pub without: Vec<Kind>,
    /// The defect that the nodes have, if any.
    pub planted: Option<Planted>,
    /// A folder for small files. It is emptied.
    pub folder: PathBuf,
    /// Whether the log of the run is kept.
    pub is_told: bool,
    /// Whether the history of the run is kept.
    pub is_recorded: bool,
    /// Whether the second opinion alone judges the run.
    pub is_second_opinion_alone: bool,
}

impl Plan {
    /// A run with this seed, of the nodes as they are.
    pub fn new(seed: u64, folder: &Path) -> Self {
        let folder = folder.join(format!("{seed}"));
        Self {
            seed,
            duration: 40_000,
            without: Vec::new(),
            planted: None,
            folder,
            is_told: false,
            is_recorded: false,
            is_second_opinion_alone: false,
        }
    }
}

/// A report about one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The promises that it has broken.
    pub violations: Vec<String>,
    /// A hash of everything that happened: all bytes on the network with their times, all entries, all answers.
    pub trace: u64,
    /// The number of its nodes.
    pub nodes: usize,
    /// The time in the world, in milliseconds.
    pub simulated: u64,
    /// The requests, and those that were answered.
    pub requests: (u64, u64),
    /// The entries of the log.
    pub entries: u64,
    /// The entries that the model has compared, and those that it does not know.
    pub modelled: (u64, u64),
    /// The answers that a node with a wrong memory may have given.
    pub doubted: u64,
    /// The features, paths and sessions that the second opinion has judged, and those that it left undecided.
    pub opinions: (u64, u64),
    /// How often each kind of fault happened.
    pub faults: BTreeMap<String, u64>,
    /// How often each point to crash at was passed.
    pub passed: BTreeMap<String, u64>,
    /// The points at which a node has crashed.
    pub hit: BTreeSet<String>,
    /// Everything that was seen of it, for a picture and for people; only of a run that is told.
    #[serde(skip)]
    pub seen: Vec<Moment>,
    /// Its history, for whoever wants to judge it again; only of a run that is recorded.
    #[serde(skip)]
    pub history: Vec<Record>,
}

/// The time between two looks at who runs and who leads, in milliseconds.
const LOOKS_EVERY: u64 = 50;
/// A run that did less proves nothing. So it goes on for longer, and is a failure if that does not help.
const LEAST_ENTRIES: u64 = 120;
/// How many times longer than planned a run may go on.
const LONGEST_FACTOR: u64 = 4;

/// Carries out a run.
///
/// # Panics
/// When its folder cannot be used.
pub fn run(plan: &Plan) -> Report {
    let mut running = Running::begin(plan);
    if running.form() && running.prepare() {
        running.work(plan.duration);
        running.settle();
        running.read_events();
        running.restore();
    }
    running.end()
}

struct Running {
    world: World,
    team: Team,
    faults: Faults,
    trace: Xxh3,
    violations: Vec<String>,
    /// The events as each node has them at the end.
    streams: BTreeMap<u64, Vec<Recorded>>,
    machines: Machines,
    backups: Backups,
    restored: Option<Restored>,
    seen: Vec<Moment>,
    /// The nodes that ran at the last look, and the leader with its term.
    last_seen: (Vec<bool>, Option<(usize, u64)>),
    plan: Plan,
}

impl Running {
    fn begin(plan: &Plan) -> Self {
        let mut rng = SmallRng::seed_from_u64(plan.seed);
        let count = [1, 3, 3, 3, 5][rng.random_range(0..5)];
        let mut world = World::new(rng.random(), NEAR);
        let (in_regions, regions) = (rng.random_bool(IN_REGIONS), Regions::new(rng.random()));
        let in_regions = in_regions && !plan.without.contains(&Kind::Regions);
        let _ = fs::remove_dir_all(&plan.folder);
        let wrap: Wrap = plan.planted.map_or(|disk| disk, Planted::wrap);
        let rules: Rules = plan.planted.map_or(record::apply, Planted::rules);
        let machines = Machines {
            folder: plan.folder.clone(),
            initial: count,
            rules,
            wrap,
            regions: in_regions.then_some(regions),
        };
        (0..count).for_each(|_| machines.add_initial(&mut world, rng.random()));
        let agents = rng.random_range(3..8);
        let team = Team::new(People, (0, agents), rng.random(), plan.planted);
        let mut faults = Faults::new(rng.random(), plan.without.clone(), machines.clone());
        faults.begin_with_old_rules(&mut world);
        world.nodes.iter_mut().for_each(SimulatedNode::start);
        Self {
            world,
            team,
            faults,
            trace: Xxh3::new(),
            violations: Vec::new(),
            streams: BTreeMap::new(),
            machines,
            backups: Backups::new(rng.random()),
            restored: None,
            seen: Vec::new(),
            last_seen: (Vec::new(), None),
            plan: plan.clone(),
        }
    }

    fn step(&mut self) {
        for delivery in self.world.step() {
            self.trace.update(&delivery.at.to_le_bytes());
            self.trace.update(&delivery.connection.to_le_bytes());
            self.trace.update(&[u8::try_from(delivery.from).unwrap_or(u8::MAX)]);
            self.trace.update(&delivery.bytes);
            if self.plan.is_told {
                let message =
                    Seen::Message { from: delivery.from, to: delivery.to, bytes: delivery.bytes.len() };
                self.seen.push((delivery.at, message));
            }
        }
        // In every run, told or not: what looks at a node may change how it goes on.
        if self.world.time.now().is_multiple_of(LOOKS_EVERY) {
            self.look();
        }
    }

    /// Notes who runs and who leads.
    fn look(&mut self) {
        let now = self.world.time.now();
        let runs: Vec<bool> = self.world.nodes.iter().map(|node| node.life() == Life::Up).collect();
        let leads = |node: &SimulatedNode| {
            let status = node.status()?;
            (status.leader == Some(status.id)).then_some((node.place(), status.term))
        };
        let leader = self.world.nodes.iter().filter_map(leads).max_by_key(|(_, term)| *term);
        for (node, runs) in runs.iter().enumerate() {
            if self.plan.is_told && self.last_seen.0.get(node).is_some_and(|before| before != runs) {
                self.seen.push((now, Seen::Runs { node, runs: *runs }));
            }
        }
        if let Some((node, term)) = leader.filter(|_| self.plan.is_told && leader != self.last_seen.1) {
            self.seen.push((now, Seen::Leads { node, term }));
        }
        self.last_seen = (runs, leader.or(self.last_seen.1));
    }

    /// Moves the world on until something is so. Returns whether it was so in time.
    fn until(&mut self, longest: u64, mut is_so: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.world.time.now() + longest;
        while self.world.time.now() < end {
            if is_so(self) {
                return true;
            }
            self.step();
        }
        false
    }

    /// Asks a node, and waits for the answer.
    fn ask(&mut self, place: usize, what: What) -> Option<Outcome> {
        let answers = Answers::default();
        let cluster = self.world.nodes[place].cluster()?;
        self.world.nodes[place].spawn(answers.expect(0, cluster, what, None));
        let mut found = None;
        self.until(10_000, |_| {
            found = answers.take().pop();
            found.is_some()
        });
        found.map(|(_, outcome)| outcome)
    }

    /// Waits until the cluster is formed.
    fn form(&mut self) -> bool {
        let is_formed = self.until(SETTLES_WITHIN, |this| {
            let is_ready = |node: &SimulatedNode| {
                node.cluster().is_some_and(|cluster| cluster.local().state().origin().is_some())
            };
            this.world.nodes.iter().all(is_ready)
        });
        if !is_formed {
            let failed: Vec<_> = self.world.nodes.iter().map(SimulatedNode::failed).collect();
            self.violations.push(format!("the cluster is not formed without any fault: {failed:?}"));
        }
        is_formed
    }

    /// Registers the people, and makes what they work on.
    fn prepare(&mut self) -> bool {
        let token = self
            .world
            .nodes
            .iter()
            .find_map(|node| fs::read_to_string(node.folder().join(BOOTSTRAP_TOKEN_FILE)).ok());
        let Some(token) = token else {
            self.violations.push("there is no bootstrap token".to_owned());
            return false;
        };
        for write in People.beginnings(nexus_api::auth::token_digest(token.trim())) {
            let outcome = self.ask(0, What::Write(Box::new(write.clone())));
            let is_done = matches!(&outcome, Some(Outcome::Answered(answer, _)) if answer.outcome.is_ok());
            if !is_done {
                self.violations
                    .push(format!("{} is not done without any fault: {outcome:?}", write.command.name()));
                return false;
            }
        }
        true
    }

    fn work(&mut self, duration: u64) {
        let (end, latest) =
            (self.world.time.now() + duration, self.world.time.now() + duration * LONGEST_FACTOR);
        loop {
            let (entries, is_sound) =
                record::read(|record| (record.entries.len() as u64, record.violations.is_empty()));
            // The second opinion alone has not seen what the record has.
            let is_sound = is_sound || self.plan.is_second_opinion_alone;
            let is_enough = entries >= LEAST_ENTRIES && self.world.time.now() >= end;
            if is_enough || !is_sound || self.world.time.now() >= latest {
                break;
            }
            self.faults.step(&mut self.world);
            self.team.step(&self.world);
            self.backups.step(&self.world, &self.plan.folder);
            self.step();
        }
    }

    fn end(mut self) -> Report {
        let (mut modelled, mut opinions, mut doubted) = ((0, 0), (0, 0), 0);
        let mut history = Vec::new();
        let entries = record::read(|record| {
            self.violations.extend(record.violations.iter().cloned());
            for (revision, entry) in &record.entries {
                self.trace.update(&revision.0.to_le_bytes());
                self.trace.update(format!("{:?}{:?}", entry.proposal, entry.answer).as_bytes());
            }
            let first = self.restored.as_ref().map_or(Revision(u64::MAX), |restored| restored.first);
            let before = record.with(|revision| revision < first);
            let judgement = judge(&self.team.operations, &before, &self.streams, rot::doubt().as_ref());
            doubted = judgement.doubted;
            self.violations.extend(judgement.violations.iter().map(ToString::to_string));
            (modelled, opinions) = (judgement.modelled, judgement.opinions);
            if let Some(Restored { first, through, team }) = &self.restored {
                // What came after the backup is lost, as if it had never been.
                let after = record.with(|revision| revision <= *through || revision >= *first);
                let judgement = judge(&team.operations, &after, &BTreeMap::new(), None);
                let of_restored = |violation: &Violation| format!("after the restore: {violation}");
                self.violations.extend(judgement.violations.iter().map(of_restored));
                self.trace.update(format!("{:?}", team.operations).as_bytes());
            }
            if self.plan.is_recorded {
                history = self.records(&before);
            }
            if self.plan.is_second_opinion_alone {
                let others = judgement.violations.iter();
                let own = others.filter(|violation| violation.oracle == HOLDERS).map(ToString::to_string);
                self.violations = own.collect();
            }
            before.entries.len() as u64
        });
        let operations = &self.team.operations;
        self.trace.update(format!("{operations:?}").as_bytes());
        let answered = operations
            .iter()
            .filter(|operation| {
                matches!(
                    operation.outcome,
                    Some(Outcome::Answered(..) | Outcome::Read(..) | Outcome::Beat(_) | Outcome::Events(_))
                )
            })
            .count();
        let has_to_prove = !self.plan.is_second_opinion_alone && self.violations.is_empty();
        if entries < LEAST_ENTRIES && has_to_prove {
            self.violations.push(format!("the run has {entries} entries: it proves nothing"));
        }
        let _ = fs::remove_dir_all(&self.plan.folder);
        let (passed, hit) = points::coverage();
        let mut seen = std::mem::take(&mut self.seen);
        if self.plan.is_told {
            seen.extend(self.faults.log.drain(..).map(|(at, what)| (at, Seen::Fault(what))));
            seen.extend(self.team.operations.iter().map(requested));
            seen.sort_by_key(|(at, _)| *at);
        }
        let counts: BTreeMap<String, u64> =
            self.faults.counts.iter().map(|(kind, count)| (format!("{kind:?}"), *count)).collect();
        Report {
            violations: self.violations,
            trace: self.trace.digest(),
            nodes: self.world.nodes.len(),
            simulated: self.world.time.now(),
            requests: (operations.len() as u64, answered as u64),
            entries,
            modelled,
            doubted,
            opinions,
            faults: counts,
            passed,
            hit,
            seen,
            history,
        }
    }
}

fn requested(operation: &Operation) -> Moment {
    let outcome = match &operation.outcome {
        Some(Outcome::Answered(answer, _)) => format!("index {}: {:?}", answer.revision, answer.outcome),
        Some(Outcome::Read(revision, _)) => format!("the state of index {revision}"),
        other => format!("{other:?}"),
    };
    let what = match &operation.what {
        What::Write(write) => write.command.name().to_owned(),
        other => format!("{other:?}"),
    };
    let is_answered = matches!(
        operation.outcome,
        Some(Outcome::Answered(..) | Outcome::Read(..) | Outcome::Beat(_) | Outcome::Events(_))
    );
    let what = format!("agent {}: {what}: {outcome}", operation.agent);
    let (node, called) = (operation.node, operation.called);
    (operation.returned.unwrap_or(called), Seen::Request { node, called, what, is_answered })
}
