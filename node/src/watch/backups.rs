//! How the scheduled backups of a node are doing, for its reports and metrics. Nothing decides by it but whose turn it
//! is.

use nexus_api_types::{Moment, cluster::ScheduledBackups};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The longest reason of a failure that is reported: a store may answer with a page.
const MAX_FAILURE_BYTES: usize = 500;

/// The scheduled backups of one node.
#[derive(Debug, Default)]
pub(crate) struct BackupWatch(Mutex<Option<ScheduledBackups>>);

impl BackupWatch {
    /// The backups of a node that takes them every so often.
    pub(crate) fn new(to: String, every: Duration) -> Self {
        let schedule =
            ScheduledBackups { to, every_seconds: every.as_secs().max(1), ..ScheduledBackups::default() };
        Self(Mutex::new(Some(schedule)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<ScheduledBackups>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut ScheduledBackups)) {
        if let Some(shown) = self.lock().as_mut() {
            change(shown);
        }
    }

    /// Its schedule and how it is doing; none if this node takes no backups.
    pub(crate) fn shown(&self) -> Option<ScheduledBackups> {
        self.lock().clone()
    }

    /// Notes the newest backup in the store, and its length in bytes.
    pub(crate) fn found(&self, newest: Option<(Moment, u64)>) {
        self.change(|shown| {
            shown.last_at = newest.map(|(at, _)| at);
            shown.last_bytes = newest.map(|(_, bytes)| bytes);
        });
    }

    /// Notes that one begins.
    pub(crate) fn begins(&self) {
        self.change(|shown| shown.running = true);
    }

    /// Notes that it was not wanted any more, since another node was faster.
    pub(crate) fn left_to_another(&self) {
        self.change(|shown| shown.running = false);
    }

    /// Notes that it is written and checked.
    pub(crate) fn succeeded(&self, took: Duration) {
        self.change(|shown| {
            shown.running = false;
            shown.taken += 1;
            shown.last_took_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            shown.last_failure = None;
        });
    }

    /// Notes that one failed, or that the store does not answer.
    pub(crate) fn failed(&self, mut why: String) {
        why.truncate(why.floor_char_boundary(MAX_FAILURE_BYTES));
        self.change(|shown| {
            shown.running = false;
            shown.failures += 1;
            shown.last_failure = Some(why);
        });
    }
}
