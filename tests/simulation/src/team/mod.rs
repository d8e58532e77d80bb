//! Engineers and their agents: what they ask of which node, what they do with an answer, and what they do without one.
//!
//! - [`ask`]: the requests, and what became of each. [`people`]: names and ids. [`agent`]: the agents.

pub mod agent;
pub mod ask;
pub mod people;

use crate::{planted::Planted, world::World};
use agent::Agent;
use ask::{Answers, Operation, Outcome, What};
use nexus_domain::Revision;
use people::People;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// A team, and all that it has seen.
pub struct Team {
    rng: SmallRng,
    planted: Option<Planted>,
    people: People,
    agents: Vec<Agent>,
    answers: Answers,
    /// The request for events that is under way, and where the next ones begin.
    watching: (Option<usize>, Revision),
    /// Every request in the order in which they were made.
    pub operations: Vec<Operation>,
}

impl Team {
    /// So many agents of these people, with numbers from this one on.
    pub fn new(people: People, (first, agents): (usize, usize), seed: u64, planted: Option<Planted>) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let agents = (first..first + agents)
            .map(|number| Agent::new(number, &people, rng.random_range(0..500)))
            .collect();
        Self {
            rng,
            planted,
            people,
            agents,
            answers: Answers::default(),
            watching: (None, Revision(0)),
            operations: Vec::new(),
        }
    }

    /// Lets everybody do what they would do now.
    pub fn step(&mut self, world: &World) {
        let now = world.time.now();
        for (number, outcome) in self.answers.take() {
            // A client that gave up hears nothing any more.
            if self.operations[number].returned.is_none() {
                self.end(number, now, outcome);
            }
        }
        self.watch(world);
        for at in 0..self.agents.len() {
            let waits_for = self.agents[at].waits_for;
            if let Some(number) = waits_for {
                if now >= self.operations[number].called + agent::PATIENCE {
                    self.end(number, now, Outcome::Silence);
                }
                continue;
            }
            if now >= self.agents[at].next {
                self.ask(at, world);
            }
        }
    }

    /// Follows the events through whichever node it finds, from where the last one has left it.
    fn watch(&mut self, world: &World) {
        let now = world.time.now();
        if let Some(number) = self.watching.0 {
            let operation = &self.operations[number];
            match &operation.outcome {
                Some(Outcome::Events(page)) => self.watching = (None, page.next.max(self.watching.1)),
                Some(_) => self.watching.0 = None,
                None if now >= operation.called + agent::PATIENCE => {
                    self.operations[number].outcome = Some(Outcome::Silence);
                    self.watching.0 = None;
                }
                None => return,
            }
        }
        if !now.is_multiple_of(250) {
            return;
        }
        let Some(node) = self.any_node(world) else { return };
        // Its number is none of the agents.
        let follower = self.agents.len();
        self.watching.0 = self.send(world, follower, node, What::Events(self.watching.1));
    }

    fn any_node(&mut self, world: &World) -> Option<usize> {
        let serving: Vec<usize> =
            (0..world.nodes.len()).filter(|at| world.nodes[*at].cluster().is_some()).collect();
        if serving.is_empty() { None } else { Some(serving[self.rng.random_range(0..serving.len())]) }
    }

    /// Makes a request, and returns its number; none if the node serves no more.
    fn send(&mut self, world: &World, agent: usize, node: usize, what: What) -> Option<usize> {
        let cluster = world.nodes[node].cluster()?;
        let (number, called, node_start) =
            (self.operations.len(), world.time.now(), world.nodes[node].starts());
        world.nodes[node].spawn(self.answers.expect(number, cluster, what.clone(), self.planted));
        let (returned, outcome) = (None, None);
        self.operations.push(Operation { agent, node, node_start, what, called, returned, outcome });
        Some(number)
    }

    fn ask(&mut self, at: usize, world: &World) {
        let now = world.time.now();
        let Some(node) = self.any_node(world) else {
            self.agents[at].next = now + 200;
            return;
        };
        let what = self.agents[at].choose(&self.people, &mut self.rng);
        self.agents[at].waits_for = self.send(world, at, node, what);
    }

    fn end(&mut self, number: usize, now: u64, outcome: Outcome) {
        let operation = &mut self.operations[number];
        operation.returned = Some(now);
        operation.outcome = Some(outcome);
        let Some(agent) = self.agents.get_mut(operation.agent) else { return };
        agent.waits_for = None;
        agent.learn(operation, now, &mut self.rng);
    }
}
