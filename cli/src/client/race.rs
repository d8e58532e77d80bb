//! The attempts of one request on several servers at once, and what went wrong with those that are over.

use super::attempt::{Attempt, Failed};
use futures::{future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

/// The attempts of one request that are under way, and what became of the earlier ones.
pub(super) struct Race<'a> {
    pub(super) under_way: FuturesUnordered<LocalBoxFuture<'a, (usize, Attempt)>>,
    /// The time at which each server was asked; `None` for one with no request under way.
    pub(super) asked_at: Vec<Option<Instant>>,
    /// Whether nothing came from it in all of its time.
    pub(super) was_silent: Vec<bool>,
    pub(super) failures: Failures,
}

impl Race<'_> {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            under_way: FuturesUnordered::new(),
            asked_at: vec![None; servers],
            was_silent: vec![false; servers],
            failures: Failures::new(servers),
        }
    }
}

/// The failures so far, by server.
pub(super) struct Failures {
    pub(super) reasons: Vec<Option<String>>,
    /// Whether nobody was there when it was asked last.
    pub(super) absent: Vec<bool>,
    pub(super) may_be_applied: bool,
    pub(super) was_there: bool,
    /// Whether a reason says what to do about it.
    pub(super) has_remedy: bool,
}

impl Failures {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            reasons: vec![None; servers],
            absent: vec![false; servers],
            may_be_applied: false,
            was_there: false,
            has_remedy: false,
        }
    }

    pub(super) fn note(&mut self, at: usize, failed: Failed) {
        // Silence in what was left of the time says less than whatever was heard before.
        if !failed.was_silent || self.reasons[at].is_none() {
            self.reasons[at] = Some(failed.reason);
        }
        self.absent[at] = !failed.is_there;
        self.may_be_applied |= failed.may_be_applied;
        self.was_there |= failed.is_there;
        self.has_remedy |= failed.has_remedy;
    }

    pub(super) fn note_unasked(&mut self, at: usize) {
        self.reasons[at].get_or_insert_with(|| "not asked: no time was left".to_owned());
    }
}
