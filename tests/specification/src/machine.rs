//! The state machine: one file, the sessions of the agents, and the cached replies. Every node applies the same entries
//! in the same order, and nothing else changes it. Nothing here reads a clock.

use crate::Mistake;

pub(crate) const AGENTS: usize = 2;
/// The length of a lease in cluster time. Then the session is disconnected, and still holds its claim.
pub(crate) const LEASE: usize = 6;
/// The time in which a disconnected session can come back. Then its claim is released.
pub(crate) const GRACE: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Command {
    /// Takes the file, and starts a session if there is none.
    Pick,
    Heartbeat,
    Release,
}

/// A command that an agent has sent. A retry is the same request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Request {
    pub(crate) agent: usize,
    /// The number of the request among those of its agent.
    pub(crate) number: usize,
    pub(crate) command: Command,
}

/// An entry of the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Entry {
    /// The term and the cluster time of the leader that proposed it.
    pub(crate) term: usize,
    pub(crate) time: usize,
    /// The request; `None` for a tick, which only ends leases.
    pub(crate) request: Option<Request>,
    /// Whether the leader had seen the file free. Only a mistake uses it.
    pub(crate) was_free: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Answer {
    /// The agent has the file, under this fence.
    Granted(usize),
    Renewed,
    Released,
    /// Nothing was changed: somebody has the file, or the agent's session is over.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Lease {
    #[default]
    Over,
    /// The lease runs until this cluster time.
    Active(usize),
    /// The lease ran out, and the grace runs until this cluster time.
    Disconnected(usize),
}

/// The state that a node has applied.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// The cluster time by which leases end. It never moves back.
    pub(crate) clock: usize,
    /// Whether a claim got a fence that is not above all earlier ones.
    pub(crate) fence_fell: bool,
    /// The agent that holds the file, and the fence of its claim.
    pub(crate) holder: Option<(usize, usize)>,
    last_fence: usize,
    leases: [Lease; AGENTS],
    /// The number and the answer of each agent's last request.
    replies: [Option<(usize, Answer)>; AGENTS],
}

impl Machine {
    /// Applies the first entries of a log. Returns the state, and the answer of each entry.
    pub(crate) fn replay(log: &[Entry], mistake: Mistake) -> (Self, Vec<Option<Answer>>) {
        let mut machine = Self::default();
        let mut answers = Vec::with_capacity(log.len());
        for (at, entry) in log.iter().enumerate() {
            // A fence is the index of the entry, which no other entry ever has.
            let is_wrong = mistake == Mistake::FenceCountsFromTheTerm;
            let fence = log[..=at].iter().filter(|one| !is_wrong || one.term == entry.term).count();
            answers.push(machine.apply(fence, entry, mistake));
        }
        (machine, answers)
    }

    fn apply(&mut self, fence: usize, entry: &Entry, mistake: Mistake) -> Option<Answer> {
        self.clock = self.clock.max(entry.time);
        self.end_leases();
        let Request { agent, number, command } = entry.request?;
        // A heartbeat has no cached reply: to apply it again only renews the lease again.
        let is_cached = command != Command::Heartbeat && mistake != Mistake::RepliesAreNotCached;
        if let Some((last, answer)) = self.replies[agent].filter(|(last, _)| is_cached && number <= *last) {
            // A late retry, of a request before the last one, gets no answer: the agent has gone on.
            return (number == last).then_some(answer);
        }
        let is_alive = self.leases[agent] != Lease::Over || mistake == Mistake::LateHeartbeatRenews;
        let answer = match (command, self.holder) {
            (Command::Pick, Some(_)) if !entry.was_free => Answer::Refused,
            (Command::Pick, _) => Answer::Granted(fence),
            (Command::Release, Some((holder, _))) if holder == agent => Answer::Released,
            (Command::Heartbeat, _) if is_alive => Answer::Renewed,
            (Command::Heartbeat | Command::Release, _) => Answer::Refused,
        };
        self.holder = match answer {
            Answer::Granted(_) => {
                self.fence_fell |= fence <= std::mem::replace(&mut self.last_fence, fence);
                Some((agent, fence))
            }
            Answer::Released => None,
            Answer::Renewed | Answer::Refused => self.holder,
        };
        // Whatever a session asks for shows that it is alive.
        if self.leases[agent] != Lease::Over || matches!(answer, Answer::Granted(_) | Answer::Renewed) {
            self.leases[agent] = Lease::Active(self.clock + LEASE);
        }
        if command != Command::Heartbeat {
            self.replies[agent] = Some((number, answer));
        }
        Some(answer)
    }

    /// Ends what is due, before the command of the entry is decided.
    fn end_leases(&mut self) {
        for agent in 0..AGENTS {
            match self.leases[agent] {
                // The grace begins now and not at the deadline: a late entry must not cut it short.
                Lease::Active(until) if until <= self.clock => {
                    self.leases[agent] = Lease::Disconnected(self.clock + GRACE);
                }
                Lease::Disconnected(until) if until <= self.clock => {
                    self.leases[agent] = Lease::Over;
                    self.holder = self.holder.filter(|(holder, _)| *holder != agent);
                }
                _ => {}
            }
        }
    }

    /// Whether a lease or a grace has ended at a cluster time, so that a tick is due.
    pub(crate) fn is_due(&self, time: usize) -> bool {
        self.leases.iter().any(|lease| match lease {
            Lease::Over => false,
            Lease::Active(until) | Lease::Disconnected(until) => *until <= time,
        })
    }
}
