//! Entries through the domain into one batch. Never skips an entry: what fails stops the node.

use super::{
    ledger::RowLedger,
    progress::{EntryHash, Progress},
    published::Published,
};
use crate::{
    error::StoreError,
    keys::{self, meta},
    record::{self, Kind, RecordError},
    storage::{Batch, Column, KeyRange, Order, Storage},
    types::{Applied, Command, Entry},
};
use nexus_domain::{Proposal, Recorded, Revision, RowKey, State};
use openraft::{EntryPayload, StoredMembership};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Old events are deleted at every such revision, as one range: often enough to keep the excess
/// small, seldom enough that deleted ranges do not slow down scans.
const PRUNE_EVERY: u64 = 1024;

/// How one proposal changes the state: the domain's [`apply`](nexus_domain::apply).
pub(crate) type Rules = fn(&mut State, Revision, &Proposal) -> nexus_domain::Applied;

/// The state after some entries, and what has to be written before anyone may see it.
pub(crate) struct Step<'a> {
    stored: &'a dyn Storage,
    rules: Rules,
    /// Ahead of what is stored until the step is written: a step that is not stops the node.
    ledger: &'a mut RowLedger,
    after: Published,
    /// Later entries overwrite what earlier ones of the same step wrote.
    writes: BTreeMap<(Column, Vec<u8>), Option<Vec<u8>>>,
    bytes: usize,
    pruned: Option<KeyRange>,
    hashes: Vec<(u64, u64)>,
}

impl<'a> Step<'a> {
    /// Nothing applied yet to what is stored.
    pub(crate) fn begin(
        stored: &'a dyn Storage,
        rules: Rules,
        ledger: &'a mut RowLedger,
        before: Published,
    ) -> Self {
        Self {
            stored,
            rules,
            ledger,
            after: before,
            writes: BTreeMap::new(),
            bytes: 0,
            pruned: None,
            hashes: Vec::new(),
        }
    }

    /// Bytes that would be written; what was overwritten counts too.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Applies one entry.
    ///
    /// # Errors
    /// When the entry is not a later one, the domain panics, or what it gives cannot be written; the step is then
    /// of no use.
    pub(crate) fn apply(&mut self, entry: Entry) -> Result<Applied, StoreError> {
        let log_id = entry.log_id;
        let failed = |cause: String| StoreError::Apply { index: log_id.index, cause };
        if self.after.progress.applied.is_some_and(|applied| log_id.index <= applied.index) {
            return Err(failed(format!("entry {} is applied already", self.after.revision())));
        }
        let revision = Revision(log_id.index);
        let mut hash = EntryHash::begin(self.after.progress.history, revision);
        let answer = match entry.payload {
            EntryPayload::Blank => None,
            EntryPayload::Membership(membership) => {
                let membership = StoredMembership::new(Some(log_id), membership);
                let value = record::encode(Kind::PROGRESS, &membership);
                hash.write(Column::Meta, meta::PROGRESS, Some(&value));
                self.after.progress.membership = membership;
                None
            }
            EntryPayload::Normal(Command(proposal)) => {
                let _span =
                    tracing::debug_span!("apply", revision = revision.0, command = proposal.command.name())
                        .entered();
                let (rules, state) = (self.rules, &mut self.after.state);
                // A panic half way leaves a state that nobody sees: the node stops.
                let applied = catch_unwind(AssertUnwindSafe(|| rules(state, revision, &proposal)))
                    .map_err(|panic| failed(panic_text(panic.as_ref())))?;
                tracing::debug!(
                    events = applied.events.len(),
                    refused = applied.answer.outcome.is_err(),
                    "applied"
                );
                let unwritable =
                    |cause: RecordError| failed(format!("what it gives cannot be written: {cause}"));
                for key in &applied.touched {
                    self.write_row(&mut hash, key).map_err(unwritable)?;
                }
                for (key, document) in &applied.documents {
                    let encode = |document| record::try_encode(Kind::DOCUMENT, document);
                    let value = document.as_ref().map(encode).transpose().map_err(unwritable)?;
                    self.write(&mut hash, Column::Documents, keys::document(key), value);
                }
                for event in &applied.events {
                    let key = keys::event(event.revision, event.seq);
                    let value = record::try_encode(Kind::EVENT, event).map_err(unwritable)?;
                    self.write(&mut hash, Column::Events, key.to_vec(), Some(value));
                }
                Some(applied.answer)
            }
        };
        let progress = &mut self.after.progress;
        progress.applied = Some(log_id);
        progress.history = hash.finish();
        self.hashes.push((log_id.index, progress.history));
        if log_id.index.is_multiple_of(PRUNE_EVERY) {
            self.prune(log_id.index)?;
        }
        Ok(Applied(answer))
    }

    fn write_row(&mut self, hash: &mut EntryHash, key: &RowKey) -> Result<(), RecordError> {
        let new = self.after.state.row(key).map(|row| record::try_encode(Kind::ROW, &row)).transpose()?;
        let key = keys::row(key);
        self.ledger.replace(&mut self.after.progress.rows, &key, new.as_deref());
        self.write(hash, Column::Rows, key, new);
        Ok(())
    }

    fn write(&mut self, hash: &mut EntryHash, column: Column, key: Vec<u8>, value: Option<Vec<u8>>) {
        hash.write(column, &key, value.as_deref());
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.writes.insert((column, key), value);
    }

    /// Deletes events that are older than the cluster keeps, by their number or by their age.
    fn prune(&mut self, index: u64) -> Result<(), StoreError> {
        let oldest = self.after.progress.oldest_events;
        let by_number = Revision(index.saturating_sub(self.after.state.settings().event_revisions));
        let kept = by_number.max(self.first_young(oldest, Revision(index))?);
        if kept > oldest {
            let start = self.pruned.take().map_or(keys::events_of(oldest).to_vec(), |range| range.start);
            self.pruned = Some(KeyRange::between(start, keys::events_of(kept)));
            self.after.progress.oldest_events = kept;
        }
        Ok(())
    }

    /// The first revision whose events are young enough to be kept. Time grows with revisions, so a
    /// few looks find it; and it is the same on every node, however entries come in batches.
    fn first_young(&self, oldest: Revision, last: Revision) -> Result<Revision, StoreError> {
        let (clock, age) = (self.after.state.clock(), self.after.state.settings().event_age);
        let (mut low, mut high) = (oldest.0, last.0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.event_from(Revision(middle))? {
                // Whatever comes from here to this event has no events, and may as well be old.
                Some(event) if clock.cluster.since(event.time) > age => low = event.revision.0 + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(Revision(low))
    }

    /// The first event of a revision or of a later one.
    fn event_from(&self, from: Revision) -> Result<Option<Recorded>, StoreError> {
        let decode = |key: &[u8], value: &[u8]| {
            record::decode(Kind::EVENT, value)
                .map_err(|cause| StoreError::corrupt(Column::Events, key, cause))
        };
        let range = KeyRange::between(keys::events_of(from), keys::events_of(Revision(u64::MAX)));
        if let Some(pair) = self.stored.scan(Column::Events, &range, Order::Ascending).next() {
            let (key, value) = pair?;
            return decode(&key, &value).map(Some);
        }
        // What this step wrote comes after all that is stored.
        let first = (Column::Events, keys::events_of(from).to_vec());
        match self.writes.range(first..).next() {
            Some(((Column::Events, key), Some(value))) => decode(key, value).map(Some),
            _ => Ok(None),
        }
    }

    /// What has to be written, what may be seen afterwards, and the hash after each entry.
    pub(crate) fn finish(self) -> (Batch, Published, Vec<(u64, u64)>) {
        let mut batch = Batch::new();
        for ((column, key), value) in self.writes {
            match value {
                Some(value) => batch.put(column, key, value),
                None => batch.delete(column, key),
            }
        }
        // After the events of this step: with few revisions kept, some of them may be old already.
        if let Some(range) = self.pruned {
            batch.delete_range(Column::Events, range);
        }
        batch.put(Column::Meta, meta::PROGRESS, encode_progress(&self.after.progress));
        (batch, self.after, self.hashes)
    }
}

/// The stored form of [`Progress`].
pub(crate) fn encode_progress(progress: &Progress) -> Vec<u8> {
    record::encode(Kind::PROGRESS, progress)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the rules panicked: {}", text.unwrap_or("without a text"))
}
