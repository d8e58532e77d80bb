//! The first answers to requests, by which their retries are recognised.

use super::{outcome::Outcome, rights::refused, rules::may_replay, world::World};
use nexus_domain::{
    Proposal,
    reply_cache::{ReplyKey, ReplySlot, Request, SequenceId},
};
use std::collections::BTreeMap;

/// Revisions between two sweeps of old slots.
const SLOT_SWEEP: u64 = 1_024;
/// Milliseconds after which an unused slot is emptied, and after which a surplus answer may be.
const MINUTE: u64 = 60_000;
/// Answers that one entry forgets.
const MAX_FORGOTTEN: usize = 100;

/// The first answers to requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Replies {
    keyed: BTreeMap<ReplyKey, Keyed>,
    slotted: BTreeMap<ReplySlot, Slotted>,
}

#[derive(Clone, Debug)]
struct Keyed {
    fingerprint: u64,
    since: u64,
    expires: u64,
    first: First,
    /// Whether there were too many answers since, so that the cluster may have forgotten this one.
    may_be_forgotten: bool,
}

#[derive(Clone, Debug)]
struct Slotted {
    id: SequenceId,
    since: u64,
    first: First,
}

/// The first answer to a request, with its revision.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) revision: u64,
    pub(super) outcome: Outcome,
}

impl Replies {
    /// The answer that a request gets without being carried out. `is_carried_out` says whether the cluster has carried
    /// it out, which decides where the model cannot know.
    pub(super) fn find(&self, world: &World, proposal: &Proposal, is_carried_out: bool) -> Option<First> {
        let now = |outcome| First { revision: world.revision, outcome };
        match proposal.request.as_ref()? {
            Request::Keyed(request) => {
                let known = self.keyed.get(&request.key)?;
                if known.may_be_forgotten && is_carried_out {
                    return None;
                }
                if let Err(refusal) = may_replay(world, proposal) {
                    return Some(now(refusal));
                }
                if known.fingerprint != request.fingerprint {
                    return Some(now(refused("idempotency key reused")));
                }
                Some(known.first.clone())
            }
            Request::Slotted { slot, id } => {
                let known = self.slotted.get(slot)?;
                if id.sequence > known.id.sequence {
                    return None;
                }
                Some(if *id == known.id { known.first.clone() } else { now(refused("superseded")) })
            }
        }
    }

    /// Remembers the first answer to a request.
    pub(super) fn remember(&mut self, world: &World, proposal: &Proposal, first: First) {
        let since = world.now;
        match &proposal.request {
            None => {}
            Some(Request::Keyed(request)) => {
                let expires = since + world.settings.reply_age.0;
                let fingerprint = request.fingerprint;
                let known = Keyed { fingerprint, since, expires, first, may_be_forgotten: false };
                self.keyed.insert(request.key.clone(), known);
            }
            Some(Request::Slotted { slot, id }) => {
                self.slotted.insert(*slot, Slotted { id: *id, since, first });
            }
        }
    }

    /// Forgets the slots of the nodes of a former history, which retry nothing any more.
    pub(super) fn begin_history(&mut self) {
        self.slotted.clear();
    }

    /// Forgets what is too old after an entry.
    pub(super) fn forget(&mut self, world: &World) {
        for _ in 0..MAX_FORGOTTEN {
            // An answer stays while an older one with a later expiry is left.
            let oldest = self.keyed.iter().min_by_key(|(_, known)| known.first.revision);
            match oldest {
                Some((key, known)) if known.expires <= world.now => {
                    let key = key.clone();
                    self.keyed.remove(&key);
                }
                _ => break,
            }
        }
        if self.keyed.len() as u64 > world.settings.replies {
            for known in self.keyed.values_mut().filter(|known| known.since + MINUTE <= world.now) {
                known.may_be_forgotten = true;
            }
        }
        if world.revision.is_multiple_of(SLOT_SWEEP) {
            self.slotted.retain(|_, known| known.since + MINUTE > world.now);
        }
    }
}
