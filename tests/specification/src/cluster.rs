//! The cluster around the state machine: nodes with their logs, leaders, agents, and time. Whatever is possible may
//! come at any moment, or never: a step that does not come is a lost message, a paused node or an agent that is gone.

use crate::{
    Mistake,
    checker::check,
    machine::{AGENTS, Answer, Command, Entry, GRACE, LEASE, Machine, Request},
};

/// Three nodes, two of which are a majority.
const NODES: usize = 3;
/// The time that the fastest and the slowest clock count in one step of real time.
const FASTEST: usize = 3;
const SLOWEST: usize = 2;
const NODE_RATES: [usize; NODES] = [FASTEST, SLOWEST, FASTEST];
const NODE_CLOCKS_BEGAN: [usize; NODES] = [0, 7, 0];
const AGENT_RATES: [usize; AGENTS] = [SLOWEST, FASTEST];
/// The time on its own clock for which an agent trusts its claim, since it sent the last request that was answered: its
/// clock may be the slowest, and the leader's the fastest.
const TRUST: usize = (LEASE + GRACE) * SLOWEST / FASTEST;

pub(crate) const HOLDER: &str = "a file has one holder";
pub(crate) const FENCE: &str = "fences only grow";
pub(crate) const WRITE: &str = "an acknowledged write is never lost";
pub(crate) const ANSWER: &str = "an answer that is given twice is the same";
pub(crate) const LEASE_LENGTH: &str = "a lease lasts its length on the clock of its holder";

/// A node, of which the term and the log are durable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct Node {
    /// The highest known term. The node has voted in it or heard its leader, and votes only in higher ones.
    term: usize,
    /// Whether the node leads, as far as it knows. A later leader may have deposed it.
    leads: bool,
    log: Vec<Entry>,
    /// The number of entries that the node knows to be committed, and has applied.
    committed: usize,
    /// The cluster time that the node counted as a leader, or heard from one.
    time: usize,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Agent {
    /// The request that waits for its answer, and the real time at which it was sent.
    waiting: Option<(Request, usize)>,
    /// The fence of the claim, and the real time at which the last request was sent whose answer confirmed it.
    claim: Option<(usize, usize)>,
    /// The requests that were answered, each with the index of its entry and its answer.
    answered: Vec<(Request, usize, Answer)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    /// The real time, which nobody can read.
    now: usize,
    restarts: usize,
    nodes: [Node; NODES],
    agents: [Agent; AGENTS],
}

/// A step of the cluster.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// Real time passes, and with it all clocks.
    TimePasses,
    Send(Request),
    /// A node wins an election with the vote of another one.
    Elect(usize, usize),
    /// A node restarts with what is durable.
    Restart(usize),
    /// A leader appends a request, which reached it through any node; or a tick, since a lease is due.
    Append(usize, Option<Request>),
    /// A leader sends its log and its committed index to another node, which answers.
    Replicate(usize, usize),
    /// A node that has applied a request answers the agent, with the index of the entry.
    Answer(usize, Request, usize, Answer),
}

/// The cluster within bounds, so that its states can be counted.
pub(crate) struct Cluster {
    /// The steps of real time.
    pub(crate) time: usize,
    /// The highest term.
    pub(crate) terms: usize,
    /// The entries of a log, and those of one request: it is repeated if there may be more than one.
    pub(crate) entries: usize,
    pub(crate) copies: usize,
    /// The requests of each agent.
    pub(crate) requests: [usize; AGENTS],
    /// The restarts of nodes.
    pub(crate) restarts: usize,
    pub(crate) mistake: Mistake,
}

impl Cluster {
    /// Tries all that can happen, and returns the number of states; or the first violated property, with a shortest way
    /// to a state that violates it.
    pub(crate) fn check(&self) -> Result<usize, (&'static str, String)> {
        check(State::default(), |state| self.steps(state), |state| self.violated(state))
    }

    fn applied(&self, node: &Node) -> (Machine, Vec<Option<Answer>>) {
        Machine::replay(&node.log[..node.committed], self.mistake)
    }

    /// The cluster time of a leader: the last known one, and what the leader has counted since.
    fn time_of(&self, node: &Node, at: usize, now: usize) -> usize {
        if self.mistake == Mistake::LeaderUsesItsOwnClock {
            return NODE_CLOCKS_BEGAN[at] + NODE_RATES[at] * now;
        }
        node.time.max(self.applied(node).0.clock)
    }

    fn trusts(&self, state: &State, agent: usize) -> bool {
        let trust = if self.mistake == Mistake::AgentIgnoresClockRates { LEASE + GRACE } else { TRUST };
        let elapsed = |confirmed| (state.now - confirmed) * AGENT_RATES[agent];
        state.agents[agent].claim.is_some_and(|(_, confirmed)| elapsed(confirmed) < trust)
    }

    /// The index of the entry by which a node answers a request, and the answer.
    fn answer(&self, node: &Node, request: Request) -> Option<(usize, Answer)> {
        let is_early = self.mistake == Mistake::AnswerComesBeforeTheCommit && node.leads;
        let log = if is_early { &node.log } else { &node.log[..node.committed] };
        let at = log.iter().position(|entry| entry.request == Some(request))?;
        Some((at + 1, Machine::replay(log, self.mistake).1[at]?))
    }

    /// The state after a step that is possible.
    fn after(&self, state: &State, action: Action) -> State {
        let mut next = state.clone();
        match action {
            Action::TimePasses => {
                next.now += 1;
                let followers = |term| (0..NODES).filter(move |at| state.nodes[*at].term == term);
                for (at, leader) in state.nodes.iter().enumerate().filter(|(_, node)| node.leads) {
                    // Time counts only while a majority acknowledges the leader, which then sends it to its followers.
                    if followers(leader.term).count() > NODES / 2 {
                        let time = self.time_of(leader, at, state.now) + NODE_RATES[at];
                        followers(leader.term)
                            .for_each(|at| next.nodes[at].time = next.nodes[at].time.max(time));
                    }
                }
            }
            Action::Send(request) => {
                let agent = &mut next.agents[request.agent];
                agent.waiting = Some((request, state.now));
                agent.claim = agent.claim.filter(|_| request.command != Command::Release);
            }
            Action::Elect(candidate, voter) => {
                let term = state.nodes[candidate].term.max(state.nodes[voter].term) + 1;
                for at in [candidate, voter] {
                    (next.nodes[at].term, next.nodes[at].leads) = (term, at == candidate);
                }
            }
            Action::Restart(at) => {
                next.restarts += 1;
                let Node { mut term, mut log, .. } = std::mem::take(&mut next.nodes[at]);
                match self.mistake {
                    Mistake::VoteIsForgotten => term = log.last().map_or(0, |entry| entry.term),
                    Mistake::EntryIsForgotten => drop(log.pop()),
                    _ => {}
                }
                next.nodes[at] = Node { term, log, ..Node::default() };
            }
            Action::Append(leader, request) => {
                let node = &state.nodes[leader];
                let time = self.time_of(node, leader, state.now);
                let is_checked_early = self.mistake == Mistake::ClaimIsCheckedBeforeItIsLogged;
                let was_free = is_checked_early && self.applied(node).0.holder.is_none();
                next.nodes[leader].log.push(Entry { term: node.term, time, request, was_free });
            }
            Action::Replicate(leader, to) => {
                let [from, follower] = next.nodes.get_disjoint_mut([leader, to]).expect("they are two nodes");
                if follower.term > from.term {
                    // The answer says that there is a later leader.
                    (from.term, from.leads) = (follower.term, false);
                    return next;
                }
                (follower.term, follower.leads) = (from.term, false);
                if !follower.log.starts_with(&from.log) {
                    follower.log.clone_from(&from.log);
                }
                follower.committed = follower.committed.max(from.committed).min(follower.log.len());
                // The two are a majority. Entries of earlier terms are committed by one of the leader's own.
                let is_own = from.log.last().is_some_and(|last| last.term == from.term);
                if is_own || self.mistake == Mistake::OldTermIsCommitted {
                    from.committed = from.log.len();
                }
            }
            Action::Answer(agent, request, index, answer) => {
                let agent = &mut next.agents[agent];
                let (_, sent) = agent.waiting.take().expect("the agent waits");
                agent.answered.push((request, index, answer));
                agent.claim = match answer {
                    Answer::Granted(fence) => Some((fence, sent)),
                    Answer::Renewed => agent.claim.map(|(fence, _)| (fence, sent)),
                    Answer::Released | Answer::Refused => None,
                };
            }
        }
        // Nodes whose clocks are alike are numbered anew, so that fewer states differ. Without time, all are alike.
        if self.time == 0 {
            next.nodes.sort();
        } else if next.nodes[0] > next.nodes[2] {
            next.nodes.swap(0, 2);
        }
        next
    }

    /// All possible steps from a state.
    fn steps(&self, state: &State) -> Vec<(Action, State)> {
        let mut actions = Vec::from_iter((state.now < self.time).then_some(Action::TimePasses));
        for (at, agent) in state.agents.iter().enumerate() {
            let number = agent.answered.len();
            let is_idle = agent.waiting.is_none() && number < self.requests[at];
            for command in [Command::Pick, Command::Heartbeat, Command::Release] {
                let may_send = is_idle && agent.claim.is_some() == (command != Command::Pick);
                actions.extend(may_send.then_some(Action::Send(Request { agent: at, number, command })));
            }
        }
        for (at, node) in state.nodes.iter().enumerate() {
            actions.extend((state.restarts < self.restarts).then_some(Action::Restart(at)));
            let may_append = node.leads && node.log.len() < self.entries;
            let is_due = || self.applied(node).0.is_due(self.time_of(node, at, state.now));
            actions.extend((may_append && is_due()).then_some(Action::Append(at, None)));
            for (agent, waiting) in state.agents.iter().enumerate() {
                let Some((request, _)) = waiting.waiting else { continue };
                let copies = node.log.iter().filter(|entry| entry.request == Some(request)).count();
                let may_repeat = may_append && copies < self.copies;
                actions.extend(may_repeat.then_some(Action::Append(at, Some(request))));
                let answer = self.answer(node, request);
                actions.extend(answer.map(|(index, answer)| Action::Answer(agent, request, index, answer)));
            }
            for (to, other) in state.nodes.iter().enumerate().filter(|(to, _)| *to != at) {
                let reach = |node: &Node| (node.log.last().map_or(0, |entry| entry.term), node.log.len());
                let may_vote = node.term.max(other.term) < self.terms && reach(node) >= reach(other);
                actions.extend((!node.leads && may_vote).then_some(Action::Elect(at, to)));
                actions.extend(node.leads.then_some(Action::Replicate(at, to)));
            }
        }
        actions.into_iter().map(|action| (action, self.after(state, action))).collect()
    }

    /// The first property that does not hold in a state.
    fn violated(&self, state: &State) -> Option<&'static str> {
        if (0..AGENTS).all(|agent| self.trusts(state, agent)) {
            return Some(HOLDER);
        }
        let last_term = state.nodes.iter().map(|node| node.term).max();
        for node in &state.nodes {
            let (machine, answers) = self.applied(node);
            if machine.fence_fell {
                return Some(FENCE);
            }
            let has_all = node.leads && Some(node.term) == last_term;
            for (at, agent) in state.agents.iter().enumerate() {
                for (request, index, answer) in &agent.answered {
                    let found = node.log.get(index - 1).and_then(|entry| entry.request);
                    if !has_all && node.committed < *index {
                        continue;
                    } else if found != Some(*request) {
                        return Some(WRITE);
                    }
                    let copies = node.log.iter().zip(&answers).filter(|(one, _)| one.request == found);
                    let is_cached = request.command != Command::Heartbeat;
                    if is_cached && copies.filter_map(|(_, again)| *again).any(|again| again != *answer) {
                        return Some(ANSWER);
                    }
                }
                let knows_it = agent.answered.last().is_some_and(|(_, index, _)| node.committed >= *index);
                let is_held = machine.holder == agent.claim.map(|(fence, _)| (at, fence));
                if knows_it && self.trusts(state, at) && !is_held {
                    return Some(if machine.holder.is_some() { HOLDER } else { LEASE_LENGTH });
                }
            }
        }
        None
    }
}
