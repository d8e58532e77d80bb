//! Everything that clients and observers of one episode saw, in the order in which it ended.

use nexus_oracles::history::{Beat, Operation, Record, SeenEvent, SessionEnd};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The records so far. Clones share them.
#[derive(Clone)]
pub struct Recorder(Arc<Recorded>);

struct Recorded {
    began: Instant,
    records: Mutex<Vec<Record>>,
    /// The call of the latest write that was acknowledged so far, in microseconds.
    latest_call: AtomicU64,
    /// The revision of the latest event so far.
    latest_event: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Self {
        let recorded = Recorded {
            began: Instant::now(),
            records: Mutex::default(),
            latest_call: AtomicU64::new(0),
            latest_event: AtomicU64::new(0),
        };
        Self(Arc::new(recorded))
    }
}

impl Recorder {
    /// The time since the beginning, in microseconds.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Adds an operation. `is_acknowledged` is whether it is a write that was carried out.
    pub fn operation(&self, operation: Operation, is_acknowledged: bool) {
        if is_acknowledged {
            self.0.latest_call.fetch_max(operation.called_us, Ordering::Relaxed);
        }
        self.add(Record::Operation(operation));
    }

    /// Adds an acknowledged renewal of a lease.
    pub fn beat(&self, beat: Beat) {
        self.add(Record::Beat(beat));
    }

    /// Adds the end of a session.
    pub fn session_end(&self, end: SessionEnd) {
        self.add(Record::SessionEnd(end));
    }

    /// Adds an event that the follower was sent.
    pub fn followed(&self, event: SeenEvent) {
        self.0.latest_event.fetch_max(event.revision, Ordering::Relaxed);
        self.add(Record::Followed(event));
    }

    /// Adds something that happened to the cluster.
    pub fn fault(&self, what: String) {
        self.add(Record::Fault { at_us: self.now_us(), what });
    }

    /// Whether a write that was called after this time was acknowledged.
    pub fn has_acknowledged_since(&self, at_us: u64) -> bool {
        self.0.latest_call.load(Ordering::Relaxed) > at_us
    }

    /// The revision of the latest event that was seen.
    pub fn latest_event(&self) -> u64 {
        self.0.latest_event.load(Ordering::Relaxed)
    }

    /// Takes all records.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.0.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, record: Record) {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}
