//! An operator who changes the members: lets new machines join by a token, removes nodes, and puts new ones into the
//! place of others. One change at a time, each asked for until it is carried out or refused for good. Takes no machine
//! away before the cluster has said that its node is out, but for those that are lost.

use super::kind::Kind;
use crate::{
    machines::Machines,
    team::people::People,
    world::{
        Life, Place, SimulatedNode, World,
        points::{self, Planned, Point},
    },
};
use nexus_api::{
    auth::token_digest,
    cluster::{Cluster, NodeStatus, Operation, OperationError, Unavailable, WriteRequest},
};
use nexus_domain::{Acting, Millis, NodeId, RulesVersion, SessionId, command, ids::JoinTokenId};
use nexus_raft_store::storage::Crash;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// The operator gives up on an answer after this time, in milliseconds: longer than any node takes to give one.
const PATIENCE: u64 = 20_000;
/// The operator gives up on a change that was refused for so long, in milliseconds. By then it is known whether an
/// earlier request was carried out.
const REFUSED_FOR: u64 = 15_000;
/// Most machines at once that a cluster of one node grows to, and a larger one.
const MOST: [usize; 2] = [3, 5];
/// The share of requests in whose middle the leader crashes.
const CRASHED: f64 = 0.25;
/// The steps of a change at which it crashes.
const CRASHED_AT: [points::Step; 3] = [points::Step::Append, points::Step::Flush, points::Step::Send];
/// The validity of a join token.
const TOKEN_LIFETIME: Millis = Millis::from_secs(3_600);

/// The outcome of a request of the operator.
#[derive(Clone, Debug)]
enum Outcome {
    Done,
    /// It was refused, or certainly not carried out.
    NotDone(String),
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("it is done"),
            Self::NotDone(why) => write!(f, "it is not done: {why}"),
            Self::Unknown => f.write_str("it may be done"),
        }
    }
}

/// A request that the operator waits for.
struct Asked {
    at: u64,
    outcome: Arc<Mutex<Option<Outcome>>>,
}

/// A step of a change.
#[derive(Clone, Debug)]
enum Step {
    /// A join token is asked for.
    Token(String),
    /// The machine is there, and is to become a member.
    Joins(Place),
    /// The other one is to leave.
    Leaves,
    /// The other one is out. Its machine is taken away at this time.
    Out(u64),
}

/// A change of the members that is under way.
struct Change {
    kind: Kind,
    step: Step,
    /// The node that joins, once it has an id.
    new: Option<NodeId>,
    /// The node that leaves.
    old: Option<(Place, NodeId)>,
    /// Whether the new one joins as a replica.
    is_replica: bool,
    asked: Option<Asked>,
    /// Whether the new one has to get a vote first, and is asked for that.
    promotes: bool,
    /// When the operator began to ask for its last part, or last heard that it may have been carried out.
    since: u64,
    /// When to ask again.
    next: u64,
}

/// The changes of the members in one run.
pub(super) struct Members {
    rng: SmallRng,
    machines: Machines,
    change: Option<Change>,
    has_replica: bool,
    /// Whether leaders crash in the middle of changes.
    crashes: bool,
}

impl Members {
    /// No change yet of those on these machines. With `crashes`, leaders crash in the middle of changes.
    pub(super) fn new(seed: u64, machines: Machines, crashes: bool) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), machines, change: None, has_replica: false, crashes }
    }

    /// Whether a change is under way.
    pub(super) const fn is_busy(&self) -> bool {
        self.change.is_some()
    }

    /// Begins a change. Returns a sentence about it; nothing when it cannot be now.
    pub(super) fn begin(&mut self, kind: Kind, world: &mut World, now: u64) -> Option<String> {
        let present = world.present();
        let status = leader_status(world)?;
        let all_serve = present.iter().all(|place| serves(&world.nodes[*place]));
        if self.is_busy() || !all_serve || status.members.len() != present.len() {
            return None;
        }
        let most = MOST[usize::from(self.machines.initial > 1)];
        let is_growth = kind == Kind::Join || kind == Kind::JoinOfReplica;
        let is_too_many = is_growth && present.len() >= most;
        let is_too_few = kind == Kind::Removal && present.len() <= self.machines.initial.min(3);
        if is_too_many || is_too_few || kind == Kind::JoinOfReplica && self.has_replica {
            return None;
        }
        self.has_replica |= kind == Kind::JoinOfReplica;
        let leaves = (!is_growth).then(|| present[self.rng.random_range(0..present.len())]);
        let old = leaves.and_then(|place| Some((place, world.nodes[place].status()?.id)));
        // One that is to be a replica is a learner until it takes the other one's place. The rules that know replicas
        // take effect once every member has been heard, so that one which is lost before that can delay them for ever.
        let is_replica =
            kind == Kind::JoinOfReplica || !is_growth && knows_replicas(world) && self.rng.random_bool(0.5);
        let step = if kind == Kind::Removal { Step::Leaves } else { Step::Token(self.token()) };
        let what = match (kind, old) {
            (Kind::Removal, Some((place, node))) => format!("node {place}, of id {node}, is to leave"),
            (Kind::LostMachine, Some((place, node))) => {
                world.nodes[place].retire();
                format!(
                    "the machine of node {place}, of id {node}, is lost, and another one is to take its place"
                )
            }
            (_, Some((place, node))) => {
                format!("another machine is to take the place of node {place}, of id {node}")
            }
            (_, None) => format!("a machine is to join, as a replica: {is_replica}"),
        };
        let (new, asked, promotes) = (None, None, false);
        self.change =
            Some(Change { kind, step, new, old, is_replica, asked, promotes, since: now, next: now });
        Some(what)
    }

    /// Goes on with the change. Adds to the log what happens. After the faults, a removed machine is taken away at
    /// once.
    pub(super) fn step(&mut self, world: &mut World, now: u64, is_over: bool, log: &mut Vec<(u64, String)>) {
        let Some(mut change) = self.change.take() else { return };
        if self.goes_on(&mut change, world, (now, is_over), log) {
            self.change = Some(change);
        }
    }

    /// Returns whether the change goes on.
    fn goes_on(
        &mut self,
        change: &mut Change,
        world: &mut World,
        (now, is_over): (u64, bool),
        log: &mut Vec<(u64, String)>,
    ) -> bool {
        let outcome = match &change.asked {
            None => None,
            Some(asked) => {
                let answer = asked.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(outcome) = answer.or((now > asked.at + PATIENCE).then_some(Outcome::Unknown)) else {
                    return true;
                };
                change.asked = None;
                change.next = now + self.rng.random_range(100..1_000);
                log.push((now, format!("the operator hears: {outcome}")));
                Some(outcome)
            }
        };
        match (&change.step, outcome) {
            (Step::Token(token), Some(Outcome::Done)) => {
                let (servers, place) = (world.present(), world.nodes.len());
                let joining = (&*servers, token.clone(), change.is_replica);
                self.machines.add_joining(world, joining, self.rng.random());
                world.nodes[place].start();
                log.push((now, format!("machine {place} is there, and asks to join")));
                change.step = Step::Joins(place);
            }
            // Another one: the first one may be known, which does no harm.
            (Step::Token(_), Some(_)) => change.step = Step::Token(self.token()),
            (Step::Token(token), None) if now >= change.next => {
                let write = self.token_request(token);
                change.asked = self.ask(world, now, |cluster| async move {
                    match cluster.propose(write).await {
                        Ok(done) if done.answer.outcome.is_ok() => Outcome::Done,
                        Ok(done) => Outcome::NotDone(format!("{:?}", done.answer.outcome)),
                        Err(why) => unavailable(why),
                    }
                });
            }
            (Step::Joins(place), None) if now >= change.next => {
                change.next = now + 100;
                change.new = has_joined(world, *place);
                if let Some(new) = change.new {
                    log.push((now, format!("node {place} has joined with id {new}")));
                    change.step = Step::Leaves;
                    change.since = now;
                    return change.old.is_some();
                }
            }
            (Step::Leaves, Some(Outcome::Done)) if !change.promotes => {
                let after = if is_over { 0 } else { self.rng.random_range(0..6_000) };
                change.step = Step::Out(now + after);
            }
            (Step::Leaves, Some(Outcome::Unknown)) => change.since = now,
            (Step::Leaves, Some(Outcome::NotDone(_))) => {
                let is_final = now > change.since + REFUSED_FOR;
                if is_final && change.kind != Kind::LostMachine {
                    log.push((now, "the operator gives up".to_owned()));
                    return false;
                }
            }
            (Step::Leaves, None) if now >= change.next => {
                let Some((_, old)) = change.old else { return false };
                let operation = operation(world, old, change.new);
                change.promotes = matches!(operation, Operation::Promote(_));
                if self.crashes && !is_over && self.rng.random_bool(CRASHED) {
                    self.plan_crash(world);
                }
                log.push((now, format!("the operator asks for {operation:?}")));
                change.asked = self.ask(world, now, |cluster| async move {
                    match cluster.operate(operation).await {
                        Ok(_) => Outcome::Done,
                        Err(OperationError::Unavailable(why)) => unavailable(why),
                        Err(refused) => Outcome::NotDone(refused.to_string()),
                    }
                });
            }
            (Step::Out(at), _) if now >= *at || is_over => {
                if let Some((place, _)) = change.old {
                    log.push((now, format!("machine {place} is taken away")));
                    world.nodes[place].retire();
                }
                return false;
            }
            (Step::Token(_) | Step::Joins(_) | Step::Leaves | Step::Out(_), _) => {}
        }
        true
    }

    /// Lets the leader crash soon, in the middle of the change: the next one has to go on from there.
    fn plan_crash(&mut self, world: &World) {
        let leads =
            |node: &&SimulatedNode| node.status().is_some_and(|status| status.leader == Some(status.id));
        let Some(leader) = world.nodes.iter().find(leads) else { return };
        let step = CRASHED_AT[self.rng.random_range(0..CRASHED_AT.len())];
        let point = Point { step, is_after: self.rng.random_bool(0.5) };
        let crash = if self.rng.random_bool(0.5) { Crash::Process } else { Crash::Power };
        let passes = self.rng.random_range(0..8);
        points::plan(Planned { place: leader.place(), point, passes, crash });
    }

    fn token(&mut self) -> String {
        format!("nexus_join_{:032x}{:032x}", self.rng.random::<u128>(), self.rng.random::<u128>())
    }

    fn token_request(&mut self, token: &str) -> WriteRequest {
        let id = JoinTokenId(uuid::Builder::from_random_bytes(self.rng.random()).into_uuid());
        WriteRequest {
            command: command::CreateJoinToken { id, digest: token_digest(token), lifetime: TOKEN_LIFETIME }
                .into(),
            actor: People.actor(0),
            acting: Acting::Engineer { candidate: SessionId(Uuid::from_u128(2_000)) },
            request: None,
        }
    }

    /// Asks any node that serves; none when there is none.
    fn ask<F: Future<Output = Outcome> + Send + 'static>(
        &mut self,
        world: &World,
        at: u64,
        work: impl FnOnce(Arc<dyn Cluster>) -> F,
    ) -> Option<Asked> {
        let serving: Vec<&SimulatedNode> =
            world.nodes.iter().filter(|node| node.cluster().is_some()).collect();
        if serving.is_empty() {
            return None;
        }
        let node = serving[self.rng.random_range(0..serving.len())];
        let outcome = Arc::<Mutex<Option<Outcome>>>::default();
        let (slot, asked) = (outcome.clone(), work(node.cluster()?));
        node.spawn(async move {
            let heard = asked.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        });
        Some(Asked { at, outcome })
    }
}

fn unavailable(why: Unavailable) -> Outcome {
    match why {
        Unavailable::NotApplied(why) => Outcome::NotDone(why),
        Unavailable::Unknown(_) => Outcome::Unknown,
    }
}

fn serves(node: &SimulatedNode) -> bool {
    node.life() == Life::Up && node.cluster().is_some()
}

/// Whether every node has the rules by which there are replicas.
fn knows_replicas(world: &World) -> bool {
    let mut serving = world.nodes.iter().filter_map(SimulatedNode::cluster);
    serving.all(|cluster| cluster.local().state().rules() >= RulesVersion::FIFTH)
}

/// The status of the node that leads, if any does.
pub(super) fn leader_status(world: &World) -> Option<NodeStatus> {
    let statuses = world.nodes.iter().filter_map(SimulatedNode::status);
    statuses.filter(|status| status.leader == Some(status.id)).max_by_key(|status| status.term)
}

/// The id of the node at a place, once it is a member that votes or is a replica.
fn has_joined(world: &World, place: Place) -> Option<NodeId> {
    let id = world.nodes[place].status()?.id;
    let status = leader_status(world)?;
    let own = status.members.iter().find(|member| member.id == id)?;
    (own.voter || world.is_replica(id)).then_some(id)
}

/// The operation that lets a node leave. Only a voter is replaced; another one is removed. If it is the only voter, the
/// new one gets a vote first.
fn operation(world: &World, old: NodeId, new: Option<NodeId>) -> Operation {
    let status = leader_status(world);
    let members = status.iter().flat_map(|status| &status.members);
    let voters: Vec<NodeId> = members.filter(|member| member.voter).map(|member| member.id).collect();
    match new {
        Some(new) if voters == [old] => Operation::Promote(new),
        Some(new) if voters.is_empty() || voters.contains(&old) => Operation::Replace { old, new },
        _ => Operation::Remove(old),
    }
}
