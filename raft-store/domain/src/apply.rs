//! Applies proposals: each makes one revision of the state and one answer.

use crate::{
    actor::{Acting, Actor},
    cleanup::CleanupBudget,
    decide::{access, engineer_deletion, expiry, history_reset, project_deletion, sessions},
    document::{Document, DocumentKey},
    entity::Session,
    erasure::Erasure,
    event::{Cause, Event, Recorded},
    proposal::Proposal,
    refusal::Refusal,
    reply_cache::{Answer, KeyedReply, Request, SlottedReply},
    row::RowKey,
    state::State,
    time::{Revision, WallTime},
    work::WorkBudget,
};
use std::{collections::BTreeSet, sync::Arc};

/// Revisions between two sweeps of old slots, of which there are some thousands at most.
const SLOT_SWEEP_INTERVAL: u64 = 1_024;
/// Cached replies, and replaced lists, that one entry may evict.
const MAX_EVICTED: usize = 100;

/// The effects of one entry, which the store writes in one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The answer to the client.
    pub answer: Answer,
    /// The events of the projects' feeds, in order.
    pub events: Vec<Recorded>,
    /// Long texts to write, or to delete.
    pub documents: Vec<(DocumentKey, Option<Document>)>,
    /// Ranges of texts or events to erase, after these texts were written.
    pub erased: Vec<Erasure>,
    /// The keys of the rows that may have changed. The store writes each as the state has it now, or removes it.
    pub touched: BTreeSet<RowKey>,
    /// The steps that deciding took.
    pub work: usize,
}

/// Applies one committed proposal. The same state, revision and proposal give the same result on every node and at
/// every replay.
pub fn apply(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut transition = Transition::begin(state, revision, proposal);
    transition.clean_up();
    let answer = transition.answer(proposal);
    transition.evict_old_replies();
    transition.evict_old_slots();
    transition.delete_old_lists();
    transition.finish(answer)
}

/// Decides a proposal against a state of a moment ago, only to see whether that exceeds a budget. Nothing is carried
/// out.
///
/// # Errors
/// [`Refusal::TooMuchWork`]. Any other refusal is left to the proposal itself.
pub fn dry_run(state: &State, proposal: &Proposal, work: &mut WorkBudget) -> Result<(), Refusal> {
    match proposal.command.decide(proposal.context(state, state.clock.revision), work) {
        Err(refusal @ Refusal::TooMuchWork { .. }) => Err(refusal),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// One revision while it is being computed.
struct Transition<'a> {
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

impl<'a> Transition<'a> {
    fn begin(state: &'a mut State, revision: Revision, proposal: &Proposal) -> Self {
        state.clock.revision = revision;
        // The maximum: no leader can move the time of leases back.
        state.clock.cluster = state.clock.cluster.max(proposal.stamp.cluster);
        // The leader's wall time, even if it is earlier: with the maximum, one clock that was a year ahead for a moment
        // would stop wall time, and expire API keys, for a year.
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

    /// Ends expired leases before the command is decided. Then ends a part of what a former history has left, and
    /// removes a part of the data of deleted engineers and projects.
    fn clean_up(&mut self) {
        let mut budget = CleanupBudget::new(self.state.cleanup_limits);
        while let Some((events, documents)) = expiry::expire_one(self.state, self.revision, &mut budget) {
            self.fold(events, None);
            self.write(documents);
        }
        if let Some((events, documents)) = history_reset::advance(self.state, self.revision, &mut budget) {
            self.fold(events, None);
            self.write(documents);
        }
        if let Some((events, documents)) = engineer_deletion::advance(self.state, self.revision, &mut budget)
        {
            self.fold(events, None);
            self.write(documents);
        }
        // A part of a deleted project takes a whole cleanup budget.
        if budget.is_unused()
            && let Some((event, erased)) = project_deletion::advance(self.state, self.revision)
        {
            self.fold(event.into_iter().collect(), None);
            self.erased.extend(erased);
        }
    }

    fn answer(&mut self, proposal: &Proposal) -> Answer {
        let request = proposal.request.as_ref();
        if let Some(first) = request.and_then(|request| self.cached_answer(request, proposal)) {
            return first;
        }
        let context = proposal.context(self.state, self.revision);
        let outcome = match proposal.command.decide(context, &mut self.work) {
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

    /// The cached answer of this request, or a refusal if the cache shows that it must not be carried out.
    fn cached_answer(&self, request: &Request, proposal: &Proposal) -> Option<Answer> {
        let refused = |refusal| Answer { revision: self.revision, outcome: Err(refusal), is_cut: false };
        let (is_same, first, refusal) = match request {
            Request::Keyed(request) => {
                let cached = self.state.keyed_reply(&request.key)?;
                let is_same = cached.fingerprint == request.fingerprint;
                // A client may retry after hours, and may have lost the right to see the answer meanwhile.
                let ctx = proposal.context(self.state, self.revision);
                if let Err(refusal) = proposal.command.may_replay(ctx) {
                    return Some(refused(refusal));
                }
                (is_same, &cached.answer, Refusal::IdempotencyKeyReused)
            }
            // Only its node retries it, within seconds, and before it answers the client.
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

    /// Renews the lease of the session that the proposal acts as, if the actor may write: also for commands that need
    /// no session, and for refused ones.
    fn renew(&mut self, proposal: &Proposal) {
        let Some(session) = acting_session(self.state, proposal) else { return };
        // Most commands have renewed it already: then no rights need to be looked up again.
        let Some(event) = sessions::renew_lease(self.state, session) else { return };
        if keeps_alive(self.state, proposal, session) {
            self.fold(vec![event], None);
        }
    }

    /// The engineer and the session that cause the events of this entry.
    fn cause(&self, proposal: &Proposal, events: &[Event]) -> Option<Cause> {
        let Actor::Engineer { id: engineer, .. } = proposal.actor else { return None };
        let holder = match proposal.acting {
            // The command was allowed, so the session only needs to be looked up.
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
                // A command that needs no session creates none: then only the engineer is known.
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
        for _ in 0..MAX_EVICTED {
            let Some(key) = self.state.reply_to_evict().cloned() else { return };
            self.state.evict_reply(&key);
            self.touched.insert(RowKey::KeyedReply(key));
        }
    }

    /// Evicts the slots that a busy minute or a removed node has left behind.
    fn evict_old_slots(&mut self) {
        if self.revision.0.is_multiple_of(SLOT_SWEEP_INTERVAL) {
            self.state.evict_old_slots(&mut self.touched);
        }
    }

    /// Deletes replaced lists to which only pruned events refer.
    fn delete_old_lists(&mut self) {
        let oldest = self.state.oldest_events(self.revision);
        for _ in 0..MAX_EVICTED {
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

/// The session that a proposal acts as: the named one, or the default one if it exists.
fn acting_session<'a>(state: &'a State, proposal: &Proposal) -> Option<&'a Arc<Session>> {
    let Actor::Engineer { id: engineer, .. } = proposal.actor else { return None };
    match proposal.acting {
        Acting::Session(id) => state.session(id),
        // A request without a session acts as the default session.
        Acting::Engineer { .. } => state.session_of(proposal.command.project()?, engineer, None),
    }
}

/// Whether the request renews the lease of this session. A revoked key, a read-only key and a key of another engineer
/// keep no claims alive.
fn keeps_alive(state: &State, proposal: &Proposal, session: &Session) -> bool {
    let Actor::Engineer { id: engineer, key } = proposal.actor else { return false };
    access::engineer_with_key(state, engineer, key, state.clock.wall)
        .is_ok_and(|(engineer, key)| access::keeps_alive(state, engineer, key, session))
}
