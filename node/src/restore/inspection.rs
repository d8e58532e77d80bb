//! `nexusd inspect`: prints what a data folder contains. It changes nothing, and works beside a node that runs on it.

use super::founder;
use crate::membership::identity;
use anyhow::Context;
use nexus_api_types::Moment;
use nexus_domain::entity::ResetKind;
use nexus_raft_store::{Inspection, Published};
use serde_json::{Value, json};
use std::{
    fmt::{self, Display, Write as _},
    io::{ErrorKind, Write},
    path::Path,
};

/// Prints the content of a data folder, as text or as JSON. Returns whether it is in order. Blocks on the device.
///
/// # Errors
/// When there is no data folder, or it cannot be opened at all.
pub fn run(data_dir: &Path, as_json: bool) -> anyhow::Result<bool> {
    let found = founder::inspect(data_dir)?;
    let mut shown = if as_json {
        serde_json::to_string_pretty(&json(data_dir, &found))?
    } else {
        text(data_dir, &found)?
    };
    shown.truncate(shown.trim_end().len());
    shown.push('\n');
    print(&mut std::io::stdout(), &shown)?;
    Ok(found.damage.is_empty() && found.quarantined.is_none() && !found.is_unfinished)
}

/// Prints a text. A reader that has closed the pipe has seen enough.
fn print(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("cannot print what the folder contains"),
    }
}

/// A log id or a vote; `-` if there is none.
pub(super) fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The voters and learners of the last applied membership, with their addresses.
pub(super) fn members(found: &Inspection) -> String {
    let Some(state) = &found.state else { return "-".to_owned() };
    let membership = state.membership().membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let shown = membership.nodes().map(|(id, member)| {
        let kind = if voters.contains(id) { "" } else { " (learner)" };
        format!("{id} at {}{kind}", member.peer_addr)
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "-".to_owned() } else { shown.join(", ") }
}

fn text(data_dir: &Path, found: &Inspection) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let stored = found.identity.as_deref().and_then(|bytes| identity::decode(bytes).ok());
    let state = found.state.as_deref();
    writeln!(out, "Folder     {}, format {}, as of the last flush", data_dir.display(), found.format)?;
    writeln!(out, "Cluster    {}", shown(stored.and_then(|stored| stored.cluster)))?;
    writeln!(out, "Node       {}", shown(stored.and_then(|stored| stored.node)))?;
    writeln!(out, "Instance   {}", shown(stored.map(|stored| stored.instance)))?;
    writeln!(out, "Starts     {}", shown(stored.map(|stored| stored.starts)))?;
    match &found.log {
        None => writeln!(out, "Log        damaged")?,
        Some(log) => {
            writeln!(
                out,
                "Log        {} entries, from {} to {}",
                found.entries,
                shown(log.first),
                shown(log.last)
            )?;
            writeln!(out, "Purged     {}", shown(log.purged))?;
            writeln!(out, "Vote       {}", shown(log.vote))?;
            writeln!(out, "Committed  {}", shown(log.committed))?;
        }
    }
    writeln!(out, "Applied    {}", shown(state.and_then(Published::applied)))?;
    writeln!(out, "Members    {}", members(found))?;
    writeln!(out, "Rules      {}", shown(state.map(|state| state.state.rules())))?;
    writeln!(out, "State hash {}", shown(state.map(|state| format!("{:016x}", state.hash()))))?;
    writeln!(out, "Wall time  {}", shown(state.map(|state| Moment(state.state.clock().wall))))?;
    writeln!(out, "Rows       {}", found.rows)?;
    writeln!(out, "Documents  {}", found.documents)?;
    writeln!(out, "Events     {}", found.events)?;
    for snapshot in &found.snapshots {
        let covers =
            snapshot.covers.as_ref().map_or_else(Clone::clone, |covers| format!("up to {}", shown(*covers)));
        writeln!(out, "Snapshot   {}, {} bytes, {covers}", snapshot.name.escape_debug(), snapshot.bytes)?;
    }
    if let Some(start) = state.and_then(|state| state.state.history_start()) {
        writeln!(
            out,
            "History    {} at {}, after {} of {}",
            word(start.kind),
            start.from,
            start.through,
            start.former
        )?;
    }
    if let Some(begins) = found.new_history.filter(|_| is_to_begin(found)) {
        writeln!(out, "To begin   a new history of cluster {}, after {}", begins.cluster, begins.through)?;
    }
    if found.is_unfinished {
        writeln!(out, "Unfinished: an interrupted restore or recovery left it; nexusd start refuses it")?;
    }
    if found.is_installing {
        writeln!(out, "Installing: a snapshot replaces the state; the next start finishes that")?;
    }
    if let Some(why) = &found.quarantined {
        writeln!(out, "Quarantined: {why}")?;
    }
    for damaged in &found.damage {
        writeln!(out, "Damaged    {damaged}")?;
    }
    if found.damage.is_empty() && found.quarantined.is_none() && !found.is_unfinished {
        writeln!(out, "Every record can be read.")?;
    }
    Ok(out)
}

/// Whether the node still has to begin the new history that its folder was built for.
pub(super) fn is_to_begin(found: &Inspection) -> bool {
    let state = found.state.as_ref();
    found.new_history.is_some_and(|begins| state.is_none_or(|state| begins.is_to_begin(&state.state)))
}

const fn word(kind: ResetKind) -> &'static str {
    match kind {
        ResetKind::Restored => "restored",
        ResetKind::Recovered => "recovered",
    }
}

fn json(data_dir: &Path, found: &Inspection) -> Value {
    let stored = found.identity.as_deref().and_then(|bytes| identity::decode(bytes).ok());
    let state = found.state.as_deref();
    let text = |value: Option<String>| value.map_or(Value::Null, Value::from);
    let log = found.log.map(|log| {
        json!({
            "entries": found.entries,
            "first": log.first,
            "last": log.last.map(|id| id.index),
            "lastTerm": log.last.map(|id| id.leader_id.term),
            "purged": log.purged.map(|id| id.index),
            "committed": log.committed.map(|id| id.index),
            "vote": text(log.vote.map(|vote| vote.to_string())),
        })
    });
    let members = state.map(|state| {
        let membership = state.membership().membership();
        let voters: Vec<u64> = membership.voter_ids().collect();
        let one = |(id, member): (&u64, &nexus_raft_store::Member)| {
            json!({
                "id": id,
                "peerAddr": member.peer_addr,
                "clientAddr": member.client_addr,
                "voter": voters.contains(id),
            })
        };
        membership.nodes().map(one).collect::<Vec<Value>>()
    });
    let snapshots: Vec<Value> = found
        .snapshots
        .iter()
        .map(|snapshot| {
            json!({
                "name": snapshot.name,
                "bytes": snapshot.bytes,
                "covers": snapshot.covers.as_ref().ok().and_then(|covers| covers.map(|id| id.index)),
                "damage": snapshot.covers.as_ref().err(),
            })
        })
        .collect();
    let history = state.and_then(|state| state.state.history_start()).map(|start| {
        json!({
            "kind": word(start.kind),
            "from": start.from.0,
            "through": start.through.0,
            "formerClusterId": start.former.0,
        })
    });
    json!({
        "folder": data_dir.display().to_string(),
        "format": found.format,
        "clusterId": stored.and_then(|stored| stored.cluster).map(|id| id.0),
        "nodeId": stored.and_then(|stored| stored.node).map(|id| id.0),
        "instance": stored.map(|stored| stored.instance.0),
        "starts": stored.map(|stored| stored.starts),
        "log": log,
        "applied": state.and_then(Published::applied).map(|id| id.index),
        "members": members,
        "rules": state.map(|state| state.state.rules().0),
        "stateHash": state.map(|state| format!("{:016x}", state.hash())),
        "rows": found.rows,
        "documents": found.documents,
        "events": found.events,
        "snapshots": snapshots,
        "history": history,
        "toBegin": found.new_history.filter(|_| is_to_begin(found)).map(|begins| begins.cluster.0),
        "unfinished": found.is_unfinished,
        "installing": found.is_installing,
        "quarantined": found.quarantined,
        "damage": found.damage,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A place that takes no text.
    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_ends_an_inspection_quietly_and_a_full_disk_is_an_error() {
        print(&mut Closed(ErrorKind::BrokenPipe), "text").unwrap();
        assert!(print(&mut Closed(ErrorKind::StorageFull), "text").is_err());
        let mut printed = Vec::new();
        print(&mut printed, "text").unwrap();
        assert_eq!(printed, b"text");
    }
}
