//! Faults of real nodes, as Jepsen's nemesis makes them: processes die and hang, networks break, disks fill up, fail
//! and get lost, clocks go wrong, operators intervene.

use super::{
    recorder::Recorder,
    stage::{LOSABLE, NODES, ON_SMALL_DISK, Stage},
};
use crate::client::Client;
use rand::{RngExt, rngs::SmallRng};
use reqwest::Method;
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A process is killed (SIGKILL).
    Kill,
    /// The process of the leader is killed.
    KillLeader,
    /// All processes are killed at once.
    Blackout,
    /// A process stops for a while (SIGSTOP).
    Pause,
    /// A node ends in good order and starts again.
    Restart,
    /// A node is cut off from all others.
    Isolation,
    /// Nothing arrives in one direction between two nodes.
    OneWay,
    /// Nothing arrives between two nodes.
    Cut,
    /// A wall clock jumps.
    WallJump,
    /// A node starts with a monotonic clock that is too fast or too slow.
    ClockRate,
    /// Flushes of a node fail.
    FlushesFail,
    /// Flushes take long.
    SlowFlushes,
    /// A disk is full.
    FullDisk,
    /// A node loses its disk.
    LostDisk,
    /// An operator moves the leadership.
    Transfer,
    /// An operator asks for a snapshot.
    Snapshot,
    /// A process ended by itself, as it should after some faults, and is started again.
    EndedByItself,
}

impl Kind {
    const CHOSEN: [Self; 16] = [
        Self::Kill,
        Self::KillLeader,
        Self::Blackout,
        Self::Pause,
        Self::Restart,
        Self::Isolation,
        Self::OneWay,
        Self::Cut,
        Self::WallJump,
        Self::ClockRate,
        Self::FlushesFail,
        Self::SlowFlushes,
        Self::FullDisk,
        Self::LostDisk,
        Self::Transfer,
        Self::Snapshot,
    ];
}

/// The end of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Start(usize),
    GoOn(usize),
    Heal(usize, usize),
    Right(usize),
    FlushesWork(usize),
    FlushesAreFast(usize),
    Room,
}

/// The largest error of a monotonic clock, in parts of a million.
pub const MAX_PPM: i64 = 200;
/// The time between two faults, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 300..3_000;
/// A cluster that does not serve so long after the last fault never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// A node that does not answer in this time is passed over.
const LOOKS_FOR: Duration = Duration::from_secs(1);
/// The time between two looks at what is due.
const TICK: Duration = Duration::from_millis(50);

/// A fault after which somebody else has to lead.
#[derive(Clone, Copy, Debug)]
pub struct LeaderLoss {
    /// When it happened, in microseconds of the episode.
    pub at_us: u64,
    /// Whether nothing else was wrong.
    pub is_alone: bool,
}

/// The faults of an episode.
pub struct Nemesis {
    rng: SmallRng,
    recorder: Recorder,
    admin: Client,
    repairs: Vec<(Instant, Repair)>,
    /// The nodes whose processes do not run.
    is_down: [bool; NODES],
    /// The nodes whose processes are stopped.
    is_paused: [bool; NODES],
    /// The nodes that may end by themselves, for what has happened to them since their start.
    may_end: [bool; NODES],
    has_lost_a_disk: bool,
    /// The ends of processes that nothing has caused, and what did not come back.
    pub violations: Vec<String>,
    /// How often each kind has happened.
    pub counts: BTreeMap<Kind, u64>,
    /// The losses of a leader.
    pub losses: Vec<LeaderLoss>,
}

impl Nemesis {
    /// No faults yet.
    pub fn new(rng: SmallRng, recorder: Recorder, admin: Client) -> Self {
        Self {
            rng,
            recorder,
            admin,
            repairs: Vec::new(),
            is_down: [false; NODES],
            is_paused: [false; NODES],
            may_end: [false; NODES],
            has_lost_a_disk: false,
            violations: Vec::new(),
            counts: BTreeMap::new(),
            losses: Vec::new(),
        }
    }

    /// Kills one leader after another for so long, each once the cluster is whole and at rest again.
    pub async fn kill_leaders(&mut self, stage: &mut Stage, longest: Duration) {
        let end = Instant::now() + longest;
        while Instant::now() < end && self.violations.is_empty() {
            self.until_all_serve(stage).await;
            sleep(Duration::from_millis(self.rng.random_range(300..800))).await;
            let Some(leader) = stage.leader().await else { continue };
            let at_us = self.recorder.now_us();
            self.kill(stage, leader, Kind::KillLeader);
            self.losses.push(LeaderLoss { at_us, is_alone: true });
            let gives_up = Instant::now() + PATIENCE;
            while !self.recorder.has_acknowledged_since(at_us) {
                if Instant::now() > gives_up {
                    self.violations
                        .push(format!("nobody could write for {PATIENCE:?} without node {leader}"));
                    break;
                }
                sleep(TICK).await;
            }
            self.repair(stage, true);
        }
        self.until_all_serve(stage).await;
    }

    /// Lets faults of all kinds happen for so long, several at a time.
    pub async fn rage(&mut self, stage: &mut Stage, longest: Duration) {
        let end = Instant::now() + longest;
        let mut next = Instant::now();
        while Instant::now() < end {
            self.repair(stage, false);
            self.start_what_ended(stage);
            if Instant::now() >= next {
                next = Instant::now() + Duration::from_millis(self.rng.random_range(PAUSE_MS));
                let kind = Kind::CHOSEN[self.rng.random_range(0..Kind::CHOSEN.len())];
                self.happen(stage, kind).await;
            }
            sleep(TICK).await;
        }
    }

    /// Ends all faults, and waits until every node serves again. Returns whether all of them do.
    pub async fn settle(&mut self, stage: &mut Stage) -> bool {
        self.recorder.fault("the faults end".to_owned());
        for number in 1..=NODES {
            stage.settings(number).fail_flushes(false);
            stage.settings(number).set_flush_delay(Duration::ZERO);
            stage.settings(number).set_wall_ahead_ms(0);
        }
        self.repair(stage, true);
        self.until_all_serve(stage).await
    }

    /// Ends all faults and waits until every node serves. Returns whether all of them do.
    async fn until_all_serve(&mut self, stage: &mut Stage) -> bool {
        let end = Instant::now() + PATIENCE;
        // A node may end only now, for what happened to it before.
        while ready(stage).await < NODES {
            if Instant::now() > end {
                self.violations.push(format!("not every node serves {PATIENCE:?} after the last fault"));
                return false;
            }
            self.start_what_ended(stage);
            self.repair(stage, true);
            sleep(TICK).await;
        }
        true
    }

    fn note(&mut self, kind: Kind, what: String) {
        *self.counts.entry(kind).or_default() += 1;
        self.recorder.fault(what);
    }

    fn later(&mut self, range: std::ops::Range<u64>, repair: Repair) {
        // The end of an earlier fault must not end this one.
        self.repairs.retain(|(_, earlier)| *earlier != repair);
        let at = Instant::now() + Duration::from_millis(self.rng.random_range(range));
        self.repairs.push((at, repair));
    }

    fn repair(&mut self, stage: &mut Stage, is_all: bool) {
        let now = Instant::now();
        let (due, later) =
            std::mem::take(&mut self.repairs).into_iter().partition(|(at, _)| is_all || *at <= now);
        self.repairs = later;
        let due: Vec<(Instant, Repair)> = due;
        for (_, repair) in due {
            self.recorder.fault(format!("{repair:?}"));
            match repair {
                Repair::Start(number) => {
                    self.is_down[number - 1] = false;
                    self.may_end[number - 1] = false;
                    stage.start_node(number);
                }
                Repair::GoOn(number) => {
                    self.is_paused[number - 1] = false;
                    stage.cluster.nodes[number - 1].go_on();
                }
                Repair::Heal(from, to) => {
                    if let Some(networks) = &stage.networks {
                        networks.heal_one_way(from, to);
                    }
                }
                Repair::Right(number) => stage.settings(number).set_wall_ahead_ms(0),
                Repair::FlushesWork(number) => stage.settings(number).fail_flushes(false),
                Repair::FlushesAreFast(number) => stage.settings(number).set_flush_delay(Duration::ZERO),
                Repair::Room => stage.disk.iter().for_each(crate::mount::SmallDisk::clear),
            }
        }
    }

    /// Starts nodes again whose processes ended by themselves. They may do so if their disks fail, and in good order.
    fn start_what_ended(&mut self, stage: &mut Stage) {
        for number in 1..=NODES {
            let node = &mut stage.cluster.nodes[number - 1];
            if self.is_down[number - 1] || node.is_running() {
                continue;
            }
            let status = node.stopped();
            let by_signal = status.is_some_and(|status| status.code().is_none());
            if by_signal || !self.may_end[number - 1] {
                let log = node.log();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                self.violations.push(format!("node {number} ended by itself ({status:?}): {tail:?}"));
            }
            self.is_down[number - 1] = true;
            self.later(300..2_000, Repair::Start(number));
            self.note(Kind::EndedByItself, format!("node {number} has ended by itself: {status:?}"));
        }
    }

    fn kill(&mut self, stage: &mut Stage, number: usize, kind: Kind) {
        self.stop(stage, number);
        self.note(kind, format!("{kind:?}: node {number} is killed"));
    }

    fn stop(&mut self, stage: &mut Stage, number: usize) {
        stage.cluster.nodes[number - 1].kill();
        self.is_down[number - 1] = true;
        self.is_paused[number - 1] = false;
        self.repairs.retain(|(_, repair)| !matches!(repair, Repair::GoOn(of) if *of == number));
        self.later(300..4_000, Repair::Start(number));
    }

    fn cut(&mut self, stage: &Stage, ways: &[(usize, usize)], kind: Kind) {
        let Some(networks) = &stage.networks else { return };
        // A way is cut once at a time.
        let is_cut = |way: &(usize, usize)| {
            let of = |(_, repair): &(Instant, Repair)| matches!(repair, Repair::Heal(from, to) if (*from, *to) == *way);
            self.repairs.iter().any(of)
        };
        let ways: Vec<(usize, usize)> = ways.iter().copied().filter(|way| !is_cut(way)).collect();
        for (from, to) in &ways {
            networks.cut_one_way(*from, *to);
        }
        let end = Instant::now() + Duration::from_millis(self.rng.random_range(500..8_000));
        self.repairs.extend(ways.iter().map(|(from, to)| (end, Repair::Heal(*from, *to))));
        if !ways.is_empty() {
            self.note(kind, format!("{kind:?}: nothing arrives on {ways:?}"));
        }
    }

    #[allow(clippy::too_many_lines, reason = "a list of what can happen, one after the other")]
    async fn happen(&mut self, stage: &mut Stage, kind: Kind) {
        let number = self.rng.random_range(1..=NODES);
        let other = (number + self.rng.random_range(0..NODES - 1)) % NODES + 1;
        let is_up = !self.is_down[number - 1] && !self.is_paused[number - 1];
        let is_whole = self.repairs.is_empty() && self.is_down == [false; NODES];
        match kind {
            Kind::Kill if is_up => self.kill(stage, number, kind),
            Kind::KillLeader => {
                let Some(leader) = stage.leader().await.filter(|leader| !self.is_down[leader - 1]) else {
                    return;
                };
                let at_us = self.recorder.now_us();
                self.kill(stage, leader, kind);
                self.losses.push(LeaderLoss { at_us, is_alone: false });
            }
            Kind::Blackout if self.rng.random_bool(0.4) => {
                for number in 1..=NODES {
                    if !self.is_down[number - 1] {
                        self.stop(stage, number);
                    }
                }
                self.note(kind, "all nodes are killed".to_owned());
            }
            Kind::Pause if is_up => {
                stage.cluster.nodes[number - 1].pause();
                self.is_paused[number - 1] = true;
                self.later(200..8_000, Repair::GoOn(number));
                self.note(kind, format!("node {number} is stopped"));
            }
            Kind::Restart if is_up => {
                // It may hang on its disk, and is not waited for then.
                stage.cluster.nodes[number - 1].ask_to_stop();
                let stops_by = Instant::now() + Duration::from_secs(5);
                while stage.cluster.nodes[number - 1].is_running() && Instant::now() < stops_by {
                    sleep(TICK).await;
                }
                stage.cluster.nodes[number - 1].kill();
                self.is_down[number - 1] = true;
                self.later(100..1_000, Repair::Start(number));
                self.note(kind, format!("node {number} is stopped in good order"));
            }
            Kind::Isolation => {
                let others = (1..=NODES).filter(|other| *other != number);
                let ways: Vec<_> = others.flat_map(|other| [(number, other), (other, number)]).collect();
                self.cut(stage, &ways, kind);
            }
            Kind::OneWay => self.cut(stage, &[(number, other)], kind),
            Kind::Cut => self.cut(stage, &[(number, other), (other, number)], kind),
            Kind::WallJump => {
                let ahead = self.rng.random_range(-3_600_000..3_600_000);
                stage.settings(number).set_wall_ahead_ms(ahead);
                self.later(500..10_000, Repair::Right(number));
                self.note(kind, format!("the wall clock of node {number} jumps by {ahead} ms"));
            }
            Kind::ClockRate if self.is_down[number - 1] => {
                let ppm = self.rng.random_range(-MAX_PPM..=MAX_PPM);
                stage.settings(number).set_fast_ppm(ppm);
                self.note(kind, format!("the clock of node {number} is {ppm} ppm too fast"));
            }
            Kind::FlushesFail if is_up => {
                self.may_end[number - 1] = true;
                stage.settings(number).fail_flushes(true);
                self.later(100..1_500, Repair::FlushesWork(number));
                self.note(kind, format!("flushes of node {number} fail"));
            }
            Kind::SlowFlushes if is_up => {
                let delay = self.rng.random_range(5..400);
                stage.settings(number).set_flush_delay(Duration::from_millis(delay));
                self.later(500..5_000, Repair::FlushesAreFast(number));
                self.note(kind, format!("flushes of node {number} take {delay} ms"));
            }
            Kind::FullDisk if !self.is_down[ON_SMALL_DISK - 1] => {
                let Some(disk) = &stage.disk else { return };
                // Sometimes nearly full, so that growing writes are refused, sometimes completely.
                self.may_end[ON_SMALL_DISK - 1] = true;
                disk.fill(if self.rng.random_bool(0.5) { 32 << 20 } else { 0 });
                self.later(500..4_000, Repair::Room);
                self.note(kind, format!("the disk of node {ON_SMALL_DISK} is full"));
            }
            Kind::LostDisk if is_whole && !self.has_lost_a_disk && ready(stage).await == NODES => {
                self.has_lost_a_disk = true;
                stage.cluster.nodes[LOSABLE - 1].kill();
                stage.cluster.nodes[LOSABLE - 1].wipe();
                self.note(kind, format!("node {LOSABLE} has lost its disk"));
                stage.start_node(LOSABLE);
                // Nothing else happens until it is a voter again: with two of three disks lost, writes would be lost.
                let end = Instant::now() + PATIENCE;
                while !self.all_vote(stage).await {
                    self.start_what_ended(stage);
                    self.repair(stage, false);
                    if Instant::now() > end {
                        self.violations.push(format!("node {LOSABLE} does not vote again without its disk"));
                        return;
                    }
                    sleep(TICK).await;
                }
            }
            Kind::Transfer if self.operate(stage, number, "/cluster/leader").await => {
                self.note(kind, "the leadership is to move".to_owned());
            }
            Kind::Snapshot if self.operate(stage, number, "/cluster/snapshot").await => {
                self.note(kind, format!("node {number} makes a snapshot"));
            }
            _ => {}
        }
    }

    /// Asks a node to do something. Returns whether it has answered that it does.
    async fn operate(&self, stage: &Stage, number: usize, path: &str) -> bool {
        let asked = self.admin.via(stage.cluster.nodes[number - 1].url());
        let body = json!({});
        let answer = timeout(LOOKS_FOR, asked.send(Method::POST, path, Some(&body))).await;
        matches!(answer, Ok(Ok(answer)) if answer.status.is_success())
    }

    /// Whether all nodes are voters, and nobody else is a member.
    async fn all_vote(&self, stage: &Stage) -> bool {
        let asked = self.admin.via(stage.cluster.nodes[ON_SMALL_DISK - 1].url());
        let answer = timeout(LOOKS_FOR, asked.send(Method::GET, "/cluster/status", None)).await;
        let Ok(Ok(answer)) = answer else { return false };
        let nodes = answer.body["data"]["nodes"].as_array().cloned().unwrap_or_default();
        let votes = |node: &&serde_json::Value| node["role"] == "leader" || node["role"] == "voter";
        nodes.len() == NODES && nodes.iter().filter(votes).count() == NODES
    }
}

/// The number of nodes that can answer linearizable reads now.
async fn ready(stage: &Stage) -> usize {
    let mut ready = 0;
    for node in &stage.cluster.nodes {
        let client = Client::new(node.url());
        let answer = timeout(LOOKS_FOR, client.send(Method::GET, "/health/ready", None)).await;
        ready += usize::from(matches!(answer, Ok(Ok(answer)) if answer.status.is_success()));
    }
    ready
}
