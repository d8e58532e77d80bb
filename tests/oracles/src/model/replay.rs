//! The model itself: it replays the log, says what each answer must be, and compares it with the answer that was given.

use super::{
    invariants,
    outcome::Outcome,
    replies::{First, Replies},
    rules::{Decision, decide, project_of},
    sessions::{end_former, expire, renew_acting},
    usage::take_stock,
    world::{Cleaned, Session, Status, World},
};
use crate::Violation;
use nexus_domain::{
    Answer, ClusterTime, Command, FeatureId, Fence, ProjectId, Proposal, Refusal, Revision, SessionId,
    entity::ClaimMode, pattern::Pattern,
};
use std::collections::BTreeMap;

/// The name of this oracle in violations.
const ORACLE: &str = "model";
/// The most that one entry cleans up: claims, bytes and events. The next entries clean up the rest, which the model
/// cannot tell.
const MOST_CLEANED: Cleaned = Cleaned { claims: 2_500, bytes: 1 << 20, events: 1_000 };

/// A model of the rules of a whole cluster.
#[derive(Clone, Debug, Default)]
pub struct Model {
    world: World,
    replies: Replies,
    checked: u64,
    uncovered: BTreeMap<String, u64>,
    lost: Option<String>,
}

/// The model's verdict on one entry.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The answer that must be given; `None` if the model does not know.
    pub expected: Option<Outcome>,
    /// The promises that this entry has broken.
    pub violations: Vec<Violation>,
}

/// A claim that a session must hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExpectedClaim {
    /// The project that the path belongs to.
    pub project: ProjectId,
    /// The session that holds it.
    pub session: SessionId,
    /// The feature that it is held for; `None` for a claim of the session alone.
    pub feature: Option<FeatureId>,
    /// The claimed file, folder or glob.
    pub path: Pattern,
    /// Exclusive or shared.
    pub mode: ClaimMode,
    /// The index of the entry that acquired it.
    pub fence: Fence,
}

/// A session that must live, and how long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExpectedLease {
    /// The session's id.
    pub session: SessionId,
    /// Whether the lease runs; otherwise it is the grace.
    pub is_active: bool,
    /// The cluster time at which the lease or the grace ends.
    pub until: ClusterTime,
}

impl Model {
    /// The model of a cluster whose log is empty.
    pub fn new() -> Self {
        let world = World { rules: 1, ..World::default() };
        Self { world, ..Self::default() }
    }

    /// Replays the next entry. `answer` is what the cluster answered, if somebody knows it. Entries that are no
    /// proposals, such as changes of the membership, are left out.
    pub fn step(&mut self, revision: Revision, proposal: &Proposal, answer: Option<&Answer>) -> Verdict {
        let name = proposal.command.name();
        if self.lost.is_some() {
            return self.uncovered(name);
        }
        let before = self.world.clone();
        self.world.revision = revision.0;
        self.world.now = before.now.max(proposal.stamp.cluster.0);
        self.world.wall = proposal.stamp.wall.0;
        self.world.cleaned = Cleaned::default();
        let mut broken: Vec<_> =
            expire(&mut self.world).into_iter().map(|early| ("no lease ends early", early)).collect();
        end_former(&mut self.world);
        let is_carried_out = answer.is_some_and(|answer| answer.revision == revision);
        let cached = self.replies.find(&self.world, proposal, is_carried_out);
        let expected = match cached {
            Some(first) => Some(first),
            None => self.carry_out(proposal, answer),
        };
        self.replies.forget(&self.world);
        self.forget_lists();
        let cleaned = self.world.cleaned;
        if cleaned.claims >= MOST_CLEANED.claims
            || cleaned.bytes >= MOST_CLEANED.bytes
            || cleaned.events >= MOST_CLEANED.events
        {
            self.lost = Some(format!("entry {revision} may have cleaned up only a part: {cleaned:?}"));
        }
        broken.extend(invariants::broken(&before, &self.world));
        let Some(First { revision: first, outcome }) = expected else {
            return Verdict { violations: violations(revision, proposal, broken), ..self.uncovered(name) };
        };
        self.checked += 1;
        if let Some(answer) = answer {
            if answer.revision.0 != first {
                let message =
                    format!("answered with revision {} instead of {first}: {outcome}", answer.revision);
                broken.push(("an answer has the revision of its first application", message));
            }
            let difference = outcome.difference(&Outcome::of(&answer.outcome), answer.is_cut);
            broken.extend(difference.map(|difference| ("an answer is what the rules say", difference)));
        }
        Verdict { expected: Some(outcome), violations: violations(revision, proposal, broken) }
    }

    /// Carries a proposal out that was not answered before; `None` if the model does not know what comes of it.
    fn carry_out(&mut self, proposal: &Proposal, answer: Option<&Answer>) -> Option<First> {
        let revision = self.world.revision;
        take_stock(&mut self.world);
        let before = self.world.clone();
        let decision = decide(&mut self.world, proposal);
        let is_refused = answer.is_some_and(|answer| answer.outcome.is_err());
        let (outcome, is_known) = match decision {
            _ if answer.is_some_and(is_beyond_the_model) => {
                self.world = before;
                (answer.map(|answer| Outcome::of(&answer.outcome)), false)
            }
            Decision::Known(Ok(outcome)) => (Some(outcome), true),
            Decision::Known(Err(refusal)) => {
                self.world = before;
                (Some(refusal), true)
            }
            Decision::Ignored | Decision::Lost => {
                if is_refused {
                    self.world = before;
                } else if matches!(decision, Decision::Lost) {
                    self.lost = Some(format!("{} at entry {revision}", proposal.command.name()));
                }
                (answer.map(|answer| Outcome::of(&answer.outcome)), false)
            }
        };
        renew_acting(&mut self.world, proposal, project_of(&proposal.command));
        let Some(outcome) = outcome else {
            if proposal.request.is_some() {
                self.lost = Some(format!("the answer of entry {revision} is not known"));
            }
            return None;
        };
        if matches!(proposal.command, Command::BeginHistory(_)) {
            self.replies.begin_history();
        }
        let first = First { revision, outcome };
        self.replies.remember(&self.world, proposal, first.clone());
        is_known.then_some(first)
    }

    /// Forgets replaced lists to which only pruned events refer.
    fn forget_lists(&mut self) {
        const SLACK: u64 = 2_048;
        let kept = self.world.settings.event_revisions + SLACK;
        let oldest = self.world.revision.saturating_sub(kept);
        let is_old = |at: Option<u64>| at.is_some_and(|at| at < oldest);
        self.world.texts.retain(|text| !is_old(text.replaced_at));
    }

    fn uncovered(&mut self, name: &str) -> Verdict {
        *self.uncovered.entry(name.to_owned()).or_default() += 1;
        Verdict { expected: None, violations: Vec::new() }
    }

    /// The number of entries whose answers the model could tell.
    pub const fn checked(&self) -> u64 {
        self.checked
    }

    /// The number of entries that the model could not judge, by command.
    pub const fn uncovered_commands(&self) -> &BTreeMap<String, u64> {
        &self.uncovered
    }

    /// Why the model judges nothing any more, if that is so.
    pub fn is_lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// All claims that must be held now, in order.
    pub fn claims(&self) -> Vec<ExpectedClaim> {
        let of = |claim: &super::world::Claim| ExpectedClaim {
            project: claim.project,
            session: claim.session,
            feature: claim.feature,
            path: claim.path.clone(),
            mode: if claim.is_exclusive { ClaimMode::Exclusive } else { ClaimMode::Shared },
            fence: Fence(claim.fence),
        };
        let mut claims: Vec<ExpectedClaim> = self.world.claims.iter().map(of).collect();
        claims.sort();
        claims
    }

    /// All sessions that must live now, in order.
    pub fn leases(&self) -> Vec<ExpectedLease> {
        let of = |session: &Session| ExpectedLease {
            session: session.id,
            is_active: session.is_active,
            until: ClusterTime(session.until),
        };
        self.world.sessions.values().map(of).collect()
    }

    /// The holders of all picked features, with their fences.
    pub fn holders(&self) -> BTreeMap<(ProjectId, FeatureId), (SessionId, Fence)> {
        let held = self.world.features.iter().filter_map(|feature| match feature.status {
            Status::Active { session, fence, .. } => {
                Some(((feature.project, feature.id), (session, Fence(fence))))
            }
            _ => None,
        });
        held.collect()
    }
}

/// Whether an answer rests on limits of computation, which the model has not.
fn is_beyond_the_model(answer: &Answer) -> bool {
    match &answer.outcome {
        Err(Refusal::TooMuchWork { .. }) => true,
        Err(Refusal::FilesClaimed { conflicts }) => conflicts.iter().any(|conflict| conflict.is_assumed),
        Err(Refusal::TooMany { what, .. }) => what.contains("wildcards"),
        Ok(_) | Err(_) => false,
    }
}

fn violations(revision: Revision, proposal: &Proposal, broken: Vec<(&str, String)>) -> Vec<Violation> {
    let violation = |(promise, what): (&str, String)| {
        let Proposal { command, actor, acting, request, stamp } = proposal;
        let message = format!(
            "entry {revision} at cluster time {}: {what}; {command:?} by {actor:?} as {acting:?}, request {request:?}",
            stamp.cluster.0
        );
        Violation::new(ORACLE, promise, message)
    };
    broken.into_iter().map(violation).collect()
}
