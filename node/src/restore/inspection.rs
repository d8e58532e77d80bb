//! `nexusd inspect`: prints what a data folder contains. It changes nothing, and works beside a node that runs on it.

use super::founder;
use crate::membership::identity;
use nexus_api_types::Moment;
use nexus_domain::entity::ResetKind;
use nexus_raft_store::{Inspection, Published};
use serde_json::{Value, json};
use std::{fmt::Display, path::Path};

/// Prints the content of a data folder, as text or as JSON. Returns whether it is in order. Blocks on the device.
///
/// # Errors
/// When there is no data folder, or it cannot be opened at all.
pub fn run(data_dir: &Path, as_json: bool) -> anyhow::Result<bool> {
    let found = founder::inspect(data_dir)?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json(data_dir, &found))?);
    } else {
        print(data_dir, &found);
    }
    Ok(found.damage.is_empty() && found.quarantined.is_none() && !found.is_unfinished)
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

fn print(data_dir: &Path, found: &Inspection) {
    let stored = found.identity.as_deref().and_then(|bytes| identity::decode(bytes).ok());
    let state = found.state.as_deref();
    println!("Folder     {}, format {}, as of the last flush", data_dir.display(), found.format);
    println!("Cluster    {}", shown(stored.and_then(|stored| stored.cluster)));
    println!("Node       {}", shown(stored.and_then(|stored| stored.node)));
    println!("Instance   {}", shown(stored.map(|stored| stored.instance)));
    println!("Starts     {}", shown(stored.map(|stored| stored.starts)));
    match &found.log {
        None => println!("Log        damaged"),
        Some(log) => {
            println!(
                "Log        {} entries, from {} to {}",
                found.entries,
                shown(log.first),
                shown(log.last)
            );
            println!("Purged     {}", shown(log.purged));
            println!("Vote       {}", shown(log.vote));
            println!("Committed  {}", shown(log.committed));
        }
    }
    println!("Applied    {}", shown(state.and_then(Published::applied)));
    println!("Members    {}", members(found));
    println!("Rules      {}", shown(state.map(|state| state.state.rules())));
    println!("State hash {}", shown(state.map(|state| format!("{:016x}", state.hash()))));
    println!("Wall time  {}", shown(state.map(|state| Moment(state.state.clock().wall))));
    println!("Rows       {}", found.rows);
    println!("Documents  {}", found.documents);
    println!("Events     {}", found.events);
    for snapshot in &found.snapshots {
        let covers =
            snapshot.covers.as_ref().map_or_else(Clone::clone, |covers| format!("up to {}", shown(*covers)));
        println!("Snapshot   {}, {} bytes, {covers}", snapshot.name, snapshot.bytes);
    }
    if let Some(start) = state.and_then(|state| state.state.history_start()) {
        println!(
            "History    {} at {}, after {} of {}",
            word(start.kind),
            start.from,
            start.through,
            start.former
        );
    }
    if let Some(begins) = found.new_history.filter(|_| is_to_begin(found)) {
        println!("To begin   a new history of cluster {}, after {}", begins.cluster, begins.through);
    }
    if found.is_unfinished {
        println!("Unfinished: an interrupted restore or recovery left it; nexusd start refuses it");
    }
    if found.is_installing {
        println!("Installing: a snapshot replaces the state; the next start finishes that");
    }
    if let Some(why) = &found.quarantined {
        println!("Quarantined: {why}");
    }
    for damaged in &found.damage {
        println!("Damaged    {damaged}");
    }
    if found.damage.is_empty() && found.quarantined.is_none() && !found.is_unfinished {
        println!("Every record can be read.");
    }
}

/// Whether the node still has to begin the new history that its folder was built for.
fn is_to_begin(found: &Inspection) -> bool {
    let origin = found.state.as_ref().and_then(|state| state.state.origin().map(|origin| origin.cluster));
    found.new_history.is_some_and(|begins| origin != Some(begins.cluster))
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
