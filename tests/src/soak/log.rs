//! The log of a stopped node, and what its rules make of it.

use nexus_domain::{Answer, Proposal, Recorded, Revision, State};
use nexus_oracles::history::SeenEvent;
use nexus_raft_store::{Command, open_folder};
use openraft::{EntryPayload, RaftLogReader, storage::RaftLogStorage};
use std::{path::Path, sync::Arc};

/// Entries that are read at once.
const BATCH: u64 = 2_000;
/// Events that are read at once.
const PAGE: usize = 2_000;

/// The content of a stopped node's folder.
#[derive(Clone)]
pub struct FolderContent {
    /// The last entry that it has applied.
    pub applied: u64,
    /// A hash of all entries that it has applied.
    pub hash: u64,
    /// Its log up to there, if it has all of it: the index of each proposal.
    pub log: Option<Vec<(Revision, Arc<Proposal>)>>,
    /// The events that it has stored.
    pub events: Vec<SeenEvent>,
    /// Why its state contradicts itself, if it does.
    pub broken: Option<String>,
}

/// Reads a stopped node's folder.
///
/// # Errors
/// When it cannot be read.
pub async fn read_folder(data_dir: &Path) -> anyhow::Result<FolderContent> {
    let (mut log, machine, store) = open_folder(data_dir).await?;
    let latest = store.latest();
    let broken = latest.state.check_invariants().err().map(|error| format!("{error:?}"));
    let (applied, hash) = (latest.applied().map_or(0, |applied| applied.index), latest.hash());
    let mut events = Vec::new();
    let mut from = Revision(0);
    loop {
        let page = store.events(from, PAGE).await?;
        events.extend(page.events.iter().map(SeenEvent::of));
        if page.events.is_empty() || page.next <= from {
            break;
        }
        from = page.next;
    }
    let is_whole = log.get_log_state().await?.last_purged_log_id.is_none();
    let mut proposals = Vec::new();
    let mut reader = log.get_log_reader().await;
    let mut next = 0;
    while is_whole && next <= applied {
        let entries = reader.try_get_log_entries(next..(next + BATCH).min(applied + 1)).await?;
        let Some(last) = entries.last() else { break };
        next = last.log_id.index + 1;
        proposals.extend(entries.into_iter().filter_map(|entry| match entry.payload {
            EntryPayload::Normal(Command(proposal)) => Some((Revision(entry.log_id.index), proposal)),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        }));
    }
    drop((reader, log, machine, latest));
    store.released().await;
    Ok(FolderContent { applied, hash, log: is_whole.then_some(proposals), events, broken })
}

/// An entry with what the rules make of it.
pub struct Replayed {
    /// The index in the log.
    pub revision: Revision,
    /// The proposal as it was logged.
    pub proposal: Arc<Proposal>,
    /// The answer to it.
    pub answer: Answer,
    /// The events that it caused.
    pub events: Vec<Recorded>,
}

/// Applies a whole log to an empty state.
pub fn replay(log: &[(Revision, Arc<Proposal>)]) -> Vec<Replayed> {
    let mut state = State::default();
    let entries = log.iter().map(|(revision, proposal)| {
        let applied = nexus_domain::apply(&mut state, *revision, proposal);
        Replayed {
            revision: *revision,
            proposal: proposal.clone(),
            answer: applied.answer,
            events: applied.events,
        }
    });
    entries.collect()
}
