//! Applies entries with the domain, and collects their effects in one batch. An entry that fails stops the node.

use super::{
    apply_stats::ApplyStats,
    event_search::EventSearch,
    progress::{EntryHash, Progress},
    published::Published,
    row_hashes::RowHashes,
};
use crate::{
    error::StoreError,
    history::StoredEvent,
    keys::{self, meta},
    record::{self, Kind, RecordError},
    storage::{Batch, Column, KeyRange, Operation, Order, Storage},
    types::{Applied, Command, Entry},
};
use nexus_domain::{
    Command as Ask, Document, DocumentKey, Erasure, ProjectId, Proposal, Revision, RowKey, RulesVersion,
    State,
};
use openraft::{EntryPayload, StoredMembership};
use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Revisions between two deletions of old events, each as one range: few enough to keep the excess small, many enough
/// that deleted ranges do not slow scans down.
pub const PRUNE_EVERY: u64 = 1024;
/// Bytes of events after which old ones are deleted, too: one entry may write a MiB and more.
const PRUNE_EVERY_BYTES: u64 = 64 << 20;

/// The rules: the domain's [`apply`](nexus_domain::apply).
pub(crate) type Rules = fn(&mut State, Revision, &Proposal) -> nexus_domain::Applied;

/// The state after some entries, and the batch that has to be written before the state is published.
pub(crate) struct Step<'a> {
    stored: &'a dyn Storage,
    rules: Rules,
    /// The hashes are ahead of the stored rows until the step is written. A step that cannot be written stops the node.
    row_hashes: &'a mut RowHashes,
    after: Published,
    /// The changes in order: a later entry overwrites what an earlier one wrote.
    batch: Batch,
    /// The clock, which every entry changes, and which the step writes once.
    clock: Option<(Vec<u8>, Vec<u8>)>,
    pruned: Option<KeyRange>,
    /// The stored events that this step deletes.
    erased: Vec<(ProjectId, KeyRange)>,
    hashes: Vec<(u64, u64)>,
    stats: &'a ApplyStats,
}

impl<'a> Step<'a> {
    /// A step without entries on the stored state.
    pub(crate) fn begin(
        stored: &'a dyn Storage,
        rules: Rules,
        row_hashes: &'a mut RowHashes,
        before: Published,
        stats: &'a ApplyStats,
    ) -> Self {
        Self {
            stored,
            rules,
            row_hashes,
            after: before,
            batch: Batch::new(),
            clock: None,
            pruned: None,
            erased: Vec::new(),
            hashes: Vec::new(),
            stats,
        }
    }

    /// The bytes of the batch, overwritten ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// Applies one entry.
    ///
    /// # Errors
    /// If the entry is not a later one, the domain panics, or a record is too large. Then the step must be dropped.
    pub(crate) fn apply(&mut self, entry: Entry) -> Result<Applied, StoreError> {
        let log_id = entry.log_id;
        let failed = |cause: String| StoreError::Apply { index: log_id.index, cause };
        if self.after.progress.applied.is_some_and(|applied| log_id.index <= applied.index) {
            return Err(failed(format!("entry {} is applied already", self.after.revision())));
        }
        let revision = Revision(log_id.index);
        let event_bytes_before = self.after.progress.event_bytes;
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
                let raised = match &proposal.command {
                    Ask::RaiseRules(raise) => Some(raise.to),
                    Ask::BeginHistory(begin) => Some(begin.rules),
                    _ => None,
                };
                if let Some(cluster) = raised.filter(|to| *to > RulesVersion::KNOWN) {
                    return Err(StoreError::TooNew { cluster });
                }
                let _span =
                    tracing::debug_span!("apply", revision = revision.0, command = proposal.command.name())
                        .entered();
                let (rules, state) = (self.rules, &mut self.after.state);
                // A panic leaves an incomplete state, which is never published: the node stops.
                let applied = catch_unwind(AssertUnwindSafe(|| rules(state, revision, &proposal)))
                    .map_err(|panic| failed(panic_text(panic.as_ref())))?;
                tracing::debug!(
                    events = applied.events.len(),
                    refused = applied.answer.outcome.is_err(),
                    steps = applied.work,
                    "applied"
                );
                let unwritable =
                    |cause: RecordError| failed(format!("what it gives cannot be written: {cause}"));
                let mut touched = applied.touched;
                for erasure in &applied.erased {
                    if let Erasure::Events { project, from, to } = *erasure {
                        let until = self.erase_events(&mut hash, project, from, to)?;
                        touched.extend(self.after.state.events_erased(project, until));
                    }
                }
                for key in &touched {
                    self.write_row(&mut hash, key).map_err(unwritable)?;
                }
                for (key, document) in &applied.documents {
                    self.write_document(&mut hash, key, document.as_ref()).map_err(unwritable)?;
                }
                for erasure in &applied.erased {
                    self.erase_texts(&mut hash, *erasure);
                }
                let now = self.after.state.clock().cluster;
                for event in &applied.events {
                    self.stats.count_if_expired(&event.event, now);
                    let project =
                        event.event.project().expect("every stored event belongs to a project's feed");
                    let key = keys::event(event.revision, event.seq, project);
                    let bytes = &mut self.after.progress.event_bytes;
                    let event = StoredEvent { bytes_before: *bytes, event: Cow::Borrowed(event) };
                    let (key, value) = self
                        .batch
                        .put_written(
                            Column::Events,
                            |to| to.extend_from_slice(&key),
                            |to| record::append(Kind::EVENT, &event, to),
                        )
                        .map_err(unwritable)?;
                    hash.write(Column::Events, key, Some(value));
                    *bytes += (key.len() + value.len()) as u64;
                }
                Some(applied.answer)
            }
        };
        let progress = &mut self.after.progress;
        progress.applied = Some(log_id);
        progress.history = hash.finish();
        self.hashes.push((log_id.index, progress.history));
        let event_bytes = progress.event_bytes;
        if log_id.index.is_multiple_of(PRUNE_EVERY)
            || event_bytes / PRUNE_EVERY_BYTES != event_bytes_before / PRUNE_EVERY_BYTES
        {
            self.prune(log_id.index)?;
        }
        Ok(Applied(answer))
    }

    fn write_row(&mut self, hash: &mut EntryHash, key: &RowKey) -> Result<(), RecordError> {
        let rows = &mut self.after.progress.rows;
        match self.after.state.row(key) {
            Some(row) if *key == RowKey::Clock => {
                let (key_bytes, value) = self.clock.get_or_insert_default();
                key_bytes.clear();
                value.clear();
                keys::append_row(key, key_bytes);
                record::append(Kind::ROW, &row, value)?;
                hash.write(Column::Rows, key_bytes, Some(value));
            }
            Some(row) => {
                let (key, value) = self.batch.put_written(
                    Column::Rows,
                    |to| keys::append_row(key, to),
                    |to| record::append(Kind::ROW, &row, to),
                )?;
                self.row_hashes.replace(rows, key, Some(value));
                hash.write(Column::Rows, key, Some(value));
            }
            None => {
                let key = self.batch.delete_written(Column::Rows, |to| keys::append_row(key, to));
                self.row_hashes.replace(rows, key, None);
                hash.write(Column::Rows, key, None);
            }
        }
        Ok(())
    }

    fn write_document(
        &mut self,
        hash: &mut EntryHash,
        key: &DocumentKey,
        document: Option<&Document>,
    ) -> Result<(), RecordError> {
        if let Some(document) = document {
            let (key, value) = self.batch.put_written(
                Column::Documents,
                |to| keys::append_document(key, to),
                |to| record::append(Kind::DOCUMENT, document, to),
            )?;
            hash.write(Column::Documents, key, Some(value));
        } else {
            let key = self.batch.delete_written(Column::Documents, |to| keys::append_document(key, to));
            hash.write(Column::Documents, key, None);
        }
        Ok(())
    }

    /// Deletes ranges of texts, also of texts that earlier entries of this step wrote.
    fn erase_texts(&mut self, hash: &mut EntryHash, erasure: Erasure) {
        let ranges = match erasure {
            Erasure::TextsOfProject(project) => vec![keys::documents_of_project(project)],
            Erasure::TextsOfFeature(project, feature) => {
                keys::documents_of_feature(project, feature).to_vec()
            }
            Erasure::Events { .. } => return,
        };
        for range in ranges {
            hash.erase(Column::Documents, &range);
            self.batch.delete_range(Column::Documents, range);
        }
    }

    /// Deletes the first events of a project in a range of revisions. Returns the revision before which none is left.
    /// It reads a bounded part of the history of all projects, which is the same on every node, however entries are
    /// batched.
    fn erase_events(
        &mut self,
        hash: &mut EntryHash,
        project: ProjectId,
        from: Revision,
        to: Revision,
    ) -> Result<Revision, StoreError> {
        // Older events are deleted already, or by this step.
        let from = from.max(self.after.progress.oldest_events).min(to);
        let range = KeyRange::between(keys::events_of(from), keys::events_of(to));
        let mut search = EventSearch::of(project);
        let mut is_all = true;
        for pair in self.stored.scan(Column::Events, &range, Order::Ascending) {
            let (key, value) = pair?;
            is_all = self.is_erased(&key) || search.examine(&key, &value);
            if !is_all {
                break;
            }
        }
        // The events of this step come after all stored ones, in order.
        let is_for_later = |operation| match operation {
            Operation::Put(Column::Events, key, value) if range.contains(key) && !self.is_erased(key) => {
                !search.examine(key, value)
            }
            _ => false,
        };
        let _is_all = is_all && !self.batch.operations().any(is_for_later);
        let (found, until) = search.finish();
        let until = until.unwrap_or(to);
        let range = KeyRange::between(keys::events_of(from), keys::events_of(until));
        // The range and not each key is hashed: a node that prunes its old events a moment later deletes more keys.
        hash.erase(Column::Events, &range);
        for key in found {
            self.batch.delete(Column::Events, key);
        }
        self.erased.push((project, range));
        Ok(until)
    }

    /// Whether this step deletes an event, stored or written by the step itself.
    fn is_erased(&self, key: &[u8]) -> bool {
        let of = |project| keys::read_event(key).is_some_and(|(_, of)| of == project);
        self.erased.iter().any(|(project, range)| range.contains(key) && of(*project))
    }

    /// Deletes the events that exceed the cluster's limits of revisions, age or bytes.
    fn prune(&mut self, index: u64) -> Result<(), StoreError> {
        let oldest = self.after.progress.oldest_events;
        let state = &self.after.state;
        let by_number = state.entries_before(Revision(index), state.settings().event_revisions);
        let kept = by_number.max(self.first_kept(oldest, Revision(index))?);
        if kept > oldest {
            let start = self.pruned.take().map_or(keys::events_of(oldest).to_vec(), |range| range.start);
            self.pruned = Some(KeyRange::between(start, keys::events_of(kept)));
            self.after.progress.oldest_events = kept;
        }
        Ok(())
    }

    /// The first revision whose events are young enough, and not followed by too many bytes of events. Both criteria
    /// are monotonic, so bisection finds it. It is the same on every node, however entries are batched.
    fn first_kept(&self, oldest: Revision, last: Revision) -> Result<Revision, StoreError> {
        let (clock, settings) = (self.after.state.clock(), self.after.state.settings());
        let bytes = self.after.progress.event_bytes;
        let is_too_old = |stored: &StoredEvent<'_>| {
            clock.cluster.since(stored.event.time) > settings.event_age
                || bytes.saturating_sub(stored.bytes_before) > settings.event_bytes
        };
        let (mut low, mut high) = (oldest.0, last.0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.event_from(Revision(middle))? {
                // No revision from here to this event has events, so the position among them does not matter.
                Some(stored) if is_too_old(&stored) => low = stored.event.revision.0 + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(Revision(low))
    }

    /// The first event of a revision or of a later one.
    fn event_from(&self, from: Revision) -> Result<Option<StoredEvent<'static>>, StoreError> {
        let decode = |key: &[u8], value: &[u8]| {
            record::decode(Kind::EVENT, value)
                .map_err(|cause| StoreError::corrupt(Column::Events, key, cause))
        };
        let range = KeyRange::between(keys::events_of(from), keys::events_of(Revision(u64::MAX)));
        for pair in self.stored.scan(Column::Events, &range, Order::Ascending) {
            let (key, value) = pair?;
            if !self.is_erased(&key) {
                return decode(&key, &value).map(Some);
            }
        }
        // The events of this step come after all stored ones, in order.
        let first = keys::events_of(from);
        let written = self.batch.operations().find_map(|operation| match operation {
            Operation::Put(Column::Events, key, value) if *key >= first[..] && !self.is_erased(key) => {
                Some((key, value))
            }
            _ => None,
        });
        written.map(|(key, value)| decode(key, value)).transpose()
    }

    /// The batch to write, the state to publish afterwards, and the hash after each entry.
    pub(crate) fn finish(self) -> (Batch, Published, Vec<(u64, u64)>) {
        let Self { row_hashes, mut after, mut batch, clock, pruned, hashes, .. } = self;
        if let Some((key, value)) = clock {
            row_hashes.replace(&mut after.progress.rows, &key, Some(&value));
            batch.put(Column::Rows, key, value);
        }
        // This comes after the events of the step: if few revisions are kept, some of them may be old already.
        if let Some(range) = pruned {
            batch.delete_range(Column::Events, range);
        }
        batch.put(Column::Meta, meta::PROGRESS, encode_progress(&after.progress));
        (batch, after, hashes)
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
