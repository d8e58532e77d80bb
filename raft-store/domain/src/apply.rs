//! How the rules run: one proposal, one revision, one answer.

use crate::{
    command::{Acting, Actor, Proposal},
    decide::{self, CleanupBudget, Context, access},
    document::{Document, DocumentKey},
    entity::Session,
    event::{Cause, Event, Recorded},
    ids::{FeatureId, ProjectId},
    refusal::Refusal,
    reply_cache::{Answer, KeyedReply, Request, SlottedReply},
    state::{RowKey, State},
    time::{Revision, WallTime},
    work::WorkBudget,
};
use std::{collections::BTreeSet, sync::Arc};

/// Old slots are looked for at every such revision: there are some thousands of slots at most.
const SWEEP_SLOTS_EVERY: u64 = 1_024;
/// Events are deleted for their age at every so many revisions at the latest: older ones may be there.
pub(crate) const PRUNE_SLACK: u64 = 2_048;
/// Answers, and replaced lists, that one entry may forget because of their age.
const MAX_FORGOTTEN: usize = 100;

/// What one entry did, to be written in one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What the asker is told.
    pub answer: Answer,
    /// The events of the projects' feeds, in order.
    pub events: Vec<Recorded>,
    /// Long texts to write, or to delete.
    pub documents: Vec<(DocumentKey, Option<Document>)>,
    /// What goes as a whole, after these texts were written.
    pub erased: Vec<Erasure>,
    /// The rows that may have changed: each is to be written as the state has it now.
    pub touched: BTreeSet<RowKey>,
    /// Steps of its budget that deciding took.
    pub work: usize,
}

/// Texts or events that go as a whole, however many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasure {
    /// All that was written about a feature, but its spec: checkpoints and learnings, and which decisions are about it.
    TextsOfFeature(ProjectId, FeatureId),
    /// All texts of a project.
    TextsOfProject(ProjectId),
    /// Events of a project, or the first ones of them: how far it came is told to [`State::events_erased`].
    Events {
        /// The project.
        project: ProjectId,
        /// From this revision on.
        from: Revision,
        /// Up to this one, which is not among them.
        to: Revision,
    },
}

/// Applies one committed proposal. The same state, revision and proposal give the same result on
/// every node, for ever.
pub fn apply(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut change = Change::begin(state, revision, proposal);
    change.end_what_is_over();
    let answer = change.answer(proposal);
    change.evict_old_replies();
    change.evict_old_slots();
    change.forget_old_lists();
    change.finish(answer)
}

/// One revision in the making.
struct Change<'a> {
    state: &'a mut State,
    revision: Revision,
    wall: WallTime,
    seq: u32,
    events: Vec<Recorded>,
    documents: Vec<(DocumentKey, Option<Document>)>,
    erased: Vec<Erasure>,
    touched: BTreeSet<RowKey>,
    work: WorkBudget,
}

impl<'a> Change<'a> {
    fn begin(state: &'a mut State, revision: Revision, proposal: &Proposal) -> Self {
        state.clock.revision = revision;
        // The maximum: no leader makes the time of leases move back.
        state.clock.cluster = state.clock.cluster.max(proposal.stamp.cluster);
        // As the leader has it, also when that is earlier: with the maximum, one clock that was a year
        // ahead for a moment would stop everybody's time, and end keys, for a year.
        state.clock.wall = proposal.stamp.wall;
        let wall = state.clock.wall;
        let touched = BTreeSet::from([RowKey::Clock]);
        let work = WorkBudget::of_one_entry();
        Self {
            state,
            revision,
            wall,
            seq: 0,
            events: Vec::new(),
            documents: Vec::new(),
            erased: Vec::new(),
            touched,
            work,
        }
    }

    /// Leases that are over end before anything else is looked at. Then a part of what belonged to a deleted engineer
    /// or project goes.
    fn end_what_is_over(&mut self) {
        let mut budget = CleanupBudget::new(self.state.cleanup_limits);
        while let Some((events, documents)) = decide::expire_one(self.state, self.revision, &mut budget) {
            self.fold(events, None);
            self.write(documents);
        }
        if let Some((events, documents)) =
            decide::advance_engineer_deletion(self.state, self.revision, &mut budget)
        {
            self.fold(events, None);
            self.write(documents);
        }
        // A part by itself.
        if budget.is_unused()
            && let Some((event, erased)) = decide::advance_project_deletion(self.state, self.revision)
        {
            self.fold(event.into_iter().collect(), None);
            self.erased.extend(erased);
        }
    }

    fn answer(&mut self, proposal: &Proposal) -> Answer {
        let request = proposal.request.as_ref();
        if let Some(first) = request.and_then(|request| self.first_answer(request, proposal)) {
            return first;
        }
        let context = Context::new(self.state, self.revision, proposal);
        let outcome = match decide::decide(context, &proposal.command, &mut self.work) {
            Ok(decision) => {
                let cause = self.cause(proposal, &decision.events);
                self.fold(decision.events, cause.as_ref());
                self.write(decision.documents);
                self.erased.extend(decision.erased);
                Ok(decision.reply)
            }
            Err(refusal) => Err(refusal),
        };
        self.renew(proposal);
        let answer = Answer { revision: self.revision, outcome, is_cut: false };
        if let Some(request) = request {
            self.cache_reply(request, &answer);
        }
        answer
    }

    /// What this request was answered when it came first, or that it may not be carried out.
    fn first_answer(&self, request: &Request, proposal: &Proposal) -> Option<Answer> {
        let refused = |refusal| Answer { revision: self.revision, outcome: Err(refusal), is_cut: false };
        let (is_same, first, refusal) = match request {
            Request::Keyed(request) => {
                let cached = self.state.keyed_reply(&request.key)?;
                let is_same = cached.fingerprint == request.fingerprint;
                // A client may come back after hours: what it had a right to then, it may not have today.
                let ctx = Context::new(self.state, self.revision, proposal);
                if let Err(refusal) = decide::may_ask(ctx, &proposal.command) {
                    return Some(refused(refusal));
                }
                (is_same, &cached.answer, Refusal::IdempotencyKeyReused)
            }
            // Only its node tries it again, within seconds, and nobody was answered yet.
            Request::Slotted { slot, id } => {
                let cached = self.state.slotted_reply(*slot)?;
                if cached.id.sequence < id.sequence {
                    return None;
                }
                (cached.id == *id, &cached.answer, Refusal::Superseded)
            }
        };
        Some(if is_same { Answer::clone(first) } else { refused(refusal) })
    }

    /// Any request that acts as a session, and may write, is a sign of life of it: one that needs no session and a
    /// refused one too.
    fn renew(&mut self, proposal: &Proposal) {
        let Some(session) = acting_session(self.state, proposal) else { return };
        // Most commands have renewed it already: then nobody's rights need to be looked up again.
        let Some(event) = decide::renew_lease(self.state, session) else { return };
        if keeps_alive(self.state, proposal, session) {
            self.fold(vec![event], None);
        }
    }

    /// Who causes the events of this entry.
    fn cause(&self, proposal: &Proposal, events: &[Event]) -> Option<Cause> {
        let Actor::Engineer { id: engineer, .. } = proposal.actor else { return None };
        let holder = match proposal.acting {
            // What was decided was allowed, so the session is looked up and nothing more.
            Acting::Session(_) => acting_session(self.state, proposal)
                .filter(|session| session.engineer == engineer)
                .map(|session| session.holder()),
            Acting::Engineer { candidate } => proposal.command.project().and_then(|project| {
                let made = || {
                    events.iter().find_map(|event| match event {
                        Event::SessionStarted(session) if session.id == candidate => Some(session),
                        _ => None,
                    })
                };
                // A command that needs no session makes none: then only the engineer is known.
                let session = self.state.session_of(project, engineer, None).or_else(made)?;
                Some(session.holder())
            }),
        };
        Some(Cause { engineer, holder })
    }

    fn fold(&mut self, events: Vec<Event>, cause: Option<&Cause>) {
        for event in events {
            self.state.evolve(&event, &mut self.touched);
            if event.project().is_some() {
                let (revision, seq, at) = (self.revision, self.seq, self.wall);
                let time = self.state.clock.cluster;
                let (cause, event) = (cause.cloned(), event.brief());
                self.events.push(Recorded { revision, seq, at, cause, event, time });
                self.seq += 1;
            }
        }
    }

    fn write(&mut self, documents: Vec<(DocumentKey, Option<Document>)>) {
        for (key, document) in documents {
            if let Some(document) = &document {
                self.state.count_text(&key, document, &mut self.touched);
            }
            self.documents.push((key, document));
        }
    }

    fn cache_reply(&mut self, request: &Request, answer: &Answer) {
        let (since, answer) = (self.state.clock.cluster, Arc::new(answer.cut(request)));
        match request {
            Request::Keyed(request) => {
                let expires = since.after(self.state.settings.reply_age);
                let cached = KeyedReply { fingerprint: request.fingerprint, since, expires, answer };
                self.touched.insert(RowKey::KeyedReply(request.key.clone()));
                self.state.put_keyed_reply(request.key.clone(), Arc::new(cached));
            }
            Request::Slotted { slot, id } => {
                self.touched.insert(RowKey::SlottedReply(*slot));
                self.state.put_slotted_reply(*slot, Arc::new(SlottedReply { id: *id, since, answer }));
            }
        }
    }

    fn evict_old_replies(&mut self) {
        for _ in 0..MAX_FORGOTTEN {
            let Some(key) = self.state.reply_to_evict().cloned() else { return };
            self.state.evict_reply(&key);
            self.touched.insert(RowKey::KeyedReply(key));
        }
    }

    /// What a busy minute and nodes that went have left behind.
    fn evict_old_slots(&mut self) {
        if self.revision.0.is_multiple_of(SWEEP_SLOTS_EVERY) {
            self.state.evict_old_slots(&mut self.touched);
        }
    }

    /// Lists that only events name which are kept no longer.
    fn forget_old_lists(&mut self) {
        let kept = self.state.settings.event_revisions.saturating_add(PRUNE_SLACK);
        let oldest = Revision(self.revision.0.saturating_sub(kept));
        for _ in 0..MAX_FORGOTTEN {
            let Some((project, feature, at, lists)) = self.state.lists_replaced_before(oldest) else {
                return;
            };
            self.fold(vec![Event::ListsForgotten { project, feature, at }], None);
            self.documents.push((DocumentKey::Lists(project, feature, lists.lists_at), None));
        }
    }

    fn finish(self, answer: Answer) -> Applied {
        let Self { events, documents, erased, touched, .. } = self;
        Applied { answer, events, documents, erased, touched, work: self.work.used() }
    }
}

/// The session that a proposal acts as: the named one, or a default one that exists.
fn acting_session<'a>(state: &'a State, proposal: &Proposal) -> Option<&'a Arc<Session>> {
    let Actor::Engineer { id: engineer, .. } = proposal.actor else { return None };
    match proposal.acting {
        Acting::Session(id) => state.session(id),
        // Without a session, a request is the default one's, if there is one.
        Acting::Engineer { .. } => state.session_of(proposal.command.project()?, engineer, None),
    }
}

/// Whether the request is a sign of life of this session: nobody keeps claims alive with a revoked key, nor with
/// somebody else's, nor with one for reading only.
fn keeps_alive(state: &State, proposal: &Proposal, session: &Session) -> bool {
    let Actor::Engineer { id: engineer, key } = proposal.actor else { return false };
    access::engineer_with_key(state, engineer, key, state.clock.wall)
        .is_ok_and(|(engineer, key)| access::keeps_alive(state, engineer, key, session))
}
