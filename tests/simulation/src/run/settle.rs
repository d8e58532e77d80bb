//! The end of a run: the faults are over, and within a bound every node has to be a member that serves, and all have to
//! be equal.

use super::{Running, SETTLES_WITHIN};
use crate::{
    team::{
        ask::{Outcome, What},
        people::{PROJECT, People},
    },
    world::SimulatedNode,
};
use nexus_api::cluster::{MemberStatus, NodeStatus, WriteRequest};
use nexus_domain::{Acting, NodeId, Recorded, Revision, RulesVersion, SessionId, command};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// Steps between two writes through a node that has refused one.
const PAUSE: u64 = 50;
/// A leader that a quorum has acknowledged so lately is one: two heartbeats between regions, and the way back.
const HEARD_WITHIN: Duration = Duration::from_millis(700);

impl Running {
    /// Ends the faults, and expects that every node is a member and serves writes soon, and that all become equal.
    pub(super) fn settle(&mut self) {
        self.faults.end(&mut self.world);
        let is_sound = self.until(2 * SETTLES_WITHIN, |this| {
            this.faults.keep_up(&mut this.world);
            !this.faults.has_damage()
        });
        if !is_sound {
            self.unsettled("a bit that has flipped is not found");
            return;
        }
        let are_members = self.until(SETTLES_WITHIN, |this| {
            this.faults.keep_up(&mut this.world);
            this.all_are_members()
        });
        if !are_members {
            self.unsettled("not every node is a member, or nobody leads");
            return;
        }
        let are_raised = self.until(SETTLES_WITHIN, |this| {
            this.faults.keep_up(&mut this.world);
            this.all_have_raised_rules()
        });
        if !are_raised {
            self.unsettled("every node knows the newest rules, and the cluster does not go by them");
            return;
        }
        let (mut reached, end) = (Revision(0), self.world.time.now() + SETTLES_WITHIN);
        for place in self.world.present() {
            match self.write_through(place, end) {
                Some(revision) => reached = reached.max(revision),
                None => {
                    self.unsettled(&format!("node {place} serves no write"));
                    return;
                }
            }
        }
        let are_equal = self.until(SETTLES_WITHIN, |this| {
            this.faults.keep_up(&mut this.world);
            let states = this.states();
            states.len() == this.world.present().len()
                && states.iter().all(|(revision, _)| *revision >= reached && *revision == states[0].0)
        });
        let states = self.states();
        if !are_equal {
            self.violations.push(format!("the nodes have not caught up with each other: {states:?}"));
        } else if states.iter().any(|(_, hash)| *hash != states[0].1) || !self.all_have_one_state() {
            self.violations.push(format!("the states of the nodes differ: {states:?}"));
        }
        if let Some((place, former)) = self.faults.rebuilt()
            && self.world.nodes[place].cluster().is_some_and(|cluster| cluster.status().id == former)
        {
            self.violations.push(format!("node {place} is rebuilt, and still votes as node {former}"));
        }
    }

    /// Reads the events of every node.
    pub(super) fn read_events(&mut self) {
        // What is applied from now on, one node may have and another one not yet.
        let through = self.states().into_iter().map(|(revision, _)| revision).min();
        for place in self.world.present() {
            let (mut events, mut from) = (Vec::new(), Revision(0));
            while let Some(Outcome::Events(page)) = self.ask(place, What::Events(from)) {
                events.extend(page.events);
                if !page.has_more {
                    break;
                }
                from = page.next;
            }
            events.retain(|event: &Recorded| Some(event.revision) <= through);
            self.streams.insert(place as u64, events);
        }
    }

    /// Whether no change is under way, and a leader that is heard has exactly the nodes of this world for members, with
    /// votes unless they are replicas. A node that has lost its disk is another member than before, and the former one
    /// is out.
    fn all_are_members(&self) -> bool {
        let statuses = self.statuses();
        let running: BTreeSet<NodeId> = statuses.iter().map(|status| status.id).collect();
        self.faults.members_are_settled()
            && running.len() == self.world.present().len()
            && statuses.iter().any(|status| {
                // A node alone hears from nobody while nothing is written.
                let voters = status.members.iter().filter(|member| member.voter).count();
                let is_heard = voters == 1 || status.quorum_seen.is_some_and(|ago| ago < HEARD_WITHIN);
                let members: BTreeSet<NodeId> = status.members.iter().map(|member| member.id).collect();
                let vote = |member: &MemberStatus| member.voter || self.world.is_replica(member.id);
                status.leader == Some(status.id)
                    && is_heard
                    && !status.is_joint
                    && members == running
                    && status.members.iter().all(vote)
            })
    }

    /// Whether all nodes have applied that the cluster goes by the newest rules.
    fn all_have_raised_rules(&self) -> bool {
        let serving: Vec<_> = self.world.nodes.iter().filter_map(SimulatedNode::cluster).collect();
        serving.len() == self.world.present().len()
            && serving.iter().all(|cluster| cluster.local().state().rules() == RulesVersion::KNOWN)
    }

    /// Writes through a node, again and again until it is carried out. Returns the index, or nothing at the end.
    fn write_through(&mut self, place: usize, end: u64) -> Option<Revision> {
        let write = WriteRequest {
            command: command::ReadyFeature { project: PROJECT, slug: People.slug(0) }.into(),
            actor: People.actor(0),
            acting: Acting::Engineer { candidate: SessionId(Uuid::from_u128(1_000 + place as u128)) },
            request: None,
        };
        while self.world.time.now() < end {
            self.faults.keep_up(&mut self.world);
            if let Some(Outcome::Answered(answer, _)) = self.ask(place, What::Write(Box::new(write.clone())))
            {
                return Some(answer.revision);
            }
            (0..PAUSE).for_each(|_| self.step());
        }
        None
    }

    /// The index and the hash of the state of each node that serves.
    fn states(&self) -> Vec<(Revision, u64)> {
        let serving = self.world.nodes.iter().filter_map(SimulatedNode::cluster);
        serving.map(|cluster| cluster.local()).map(|view| (view.revision(), view.state_hash())).collect()
    }

    /// Whether the nodes that have applied as much have the same state in memory, to the last bit.
    fn all_have_one_state(&self) -> bool {
        let views: Vec<_> = self
            .world
            .nodes
            .iter()
            .filter_map(SimulatedNode::cluster)
            .map(|cluster| cluster.local())
            .collect();
        views.iter().all(|view| view.revision() != views[0].revision() || view.state() == views[0].state())
    }

    fn statuses(&self) -> Vec<NodeStatus> {
        self.world.nodes.iter().filter_map(SimulatedNode::status).collect()
    }

    fn unsettled(&mut self, what: &str) {
        let lives: Vec<_> = self.world.nodes.iter().map(SimulatedNode::life).collect();
        let known: Vec<_> = self
            .statuses()
            .into_iter()
            .map(|status| {
                let members: Vec<u64> = status.members.iter().map(|member| member.id.0).collect();
                let voting = status.members.iter().filter(|member| member.voter).map(|member| member.id.0);
                let voters: Vec<u64> = voting.collect();
                let (id, role, leader, term) = (status.id.0, status.role, status.leader, status.term);
                (id, role, leader, term, status.applied, members, (voters, status.is_joint))
            })
            .collect();
        self.violations.push(format!("{what} {SETTLES_WITHIN} ms after the last fault: {lives:?} {known:?}"));
    }
}
