//! A world of machines with nodes, a network between them, and a time that goes on only when it is told to.
//!
//! Every node has a runtime of one thread with a clock of its own that stands still. The world moves all of them on by
//! small steps, one after the other, in this thread. What one node sends in a step reaches another one in a later step,
//! so that the order within a step does not matter.

mod clock;
mod network;
mod node;
mod pointed_disk;
pub mod points;
mod servers;

pub use clock::{BEGIN, NodeClock, WorldTime};
pub use network::{Delivery, Network, Place};
pub(crate) use node::FENCE_MARK;
pub use node::{Life, Machine, Rules, SeededMint, SimulatedNode, Wrap};

use nexus_domain::NodeId;
use servers::Servers;
use std::ops::RangeInclusive;

/// The step by which time goes on, in milliseconds. No message is faster.
pub const STEP: u64 = 2;

/// A world of machines.
pub struct World {
    /// The true time.
    pub time: WorldTime,
    /// The network between them.
    pub network: Network,
    /// The machines, by their places.
    pub nodes: Vec<SimulatedNode>,
    /// The nodes that crashed at a point, until somebody takes note of it.
    pub crashed: Vec<points::Planned>,
    servers: Servers,
}

impl World {
    /// A world without machines, whose links take this long in each direction, in milliseconds.
    pub fn new(seed: u64, delay: RangeInclusive<u64>) -> Self {
        let time = WorldTime::default();
        Self {
            network: Network::new(time.clone(), seed, delay),
            time,
            nodes: Vec::new(),
            crashed: Vec::new(),
            servers: Servers::default(),
        }
    }

    /// Adds a machine, whose node does not run yet. It may come while others run.
    pub fn add(&mut self, machine: Machine, seed: u64) {
        let surroundings = (self.network.clone(), self.servers.clone(), self.time.clone());
        self.nodes.push(SimulatedNode::new(machine, surroundings, seed));
    }

    /// The places of the machines that were not taken away.
    pub fn present(&self) -> Vec<Place> {
        let nodes = self.nodes.iter().filter(|node| !node.is_retired());
        nodes.map(SimulatedNode::place).collect()
    }

    /// Whether a node that serves knows this one as a replica.
    pub fn is_replica(&self, node: NodeId) -> bool {
        let mut serving = self.nodes.iter().filter_map(SimulatedNode::cluster);
        serving.any(|cluster| cluster.local().state().is_replica(node))
    }

    /// Lets one step happen. Returns what arrived in it.
    pub fn step(&mut self) -> Vec<Delivery> {
        self.time.set(self.time.now() + STEP);
        self.network.deliver();
        for node in &mut self.nodes {
            points::enter(node.place());
            crate::record::enter(node.place(), self.time.now());
            node.advance();
            if let Some((planned, disk)) = points::take_crashed(node.place()) {
                node.crash_with(planned.crash, disk);
                self.crashed.push(planned);
            }
        }
        self.network.take_delivered()
    }
}
