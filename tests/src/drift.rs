//! Makes the state of a stopped node differ from that of the others, as a fault of its memory would.

use futures::stream;
use nexus_domain::{Acting, Actor, Proposal, SessionId, Stamp, WallTime, command};
use nexus_raft_store::{Command, Entry, LogId, open_folder};
use openraft::{
    EntryPayload, RaftLogReader,
    storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine},
};
use std::{path::Path, sync::Arc};

/// A tick at this index, with this time.
fn tick(log_id: LogId, wall: i64) -> Entry {
    let stamp = Stamp { cluster: nexus_domain::ClusterTime(0), wall: WallTime(wall) };
    let acting = Acting::Engineer { candidate: SessionId::MIN };
    let proposal =
        Proposal { command: command::Tick.into(), actor: Actor::System, acting, request: None, stamp };
    Entry { log_id, payload: EntryPayload::Normal(Command(Arc::new(proposal))) }
}

/// Adds the entry to a stopped node's log. A node that diverges has applied something else in its place.
///
/// # Panics
/// When the folder cannot be opened.
pub async fn add_entry(data_dir: &Path, drifts: bool) -> LogId {
    let (mut log, mut machine, store) = open_folder(data_dir).await.expect("a stopped node's folder opens");
    let last = log.get_log_state().await.expect("the log can be read").last_log_id.expect("it is not empty");
    let next = LogId::new(last.leader_id, last.index + 1);
    log.blocking_append([tick(next, 1_000)]).await.expect("the log can be written");
    if drifts {
        let applied = store.latest().applied().map_or(0, |applied| applied.index);
        let mut reader = log.get_log_reader().await;
        let entries = reader.try_get_log_entries(applied + 1..next.index).await.expect("the log can be read");
        drop(reader);
        let entries = entries.into_iter().chain([tick(next, 2_000)]);
        let entries = entries.map(|entry| Ok((entry, None)));
        machine.apply(stream::iter(entries.collect::<Vec<_>>())).await.expect("it can be applied");
        // Durable with the next flush of the log, such as that of a vote.
        log.blocking_append([tick(LogId::new(last.leader_id, last.index + 2), 3_000)])
            .await
            .expect("written");
        log.truncate_after(Some(next)).await.expect("taken back");
    }
    drop((log, machine));
    store.released().await;
    next
}
