//! Whether the scheduled backups of a cluster are as they should be.

use super::check::{Check, State};
use crate::text::{Clock, format, span};
use nexus_api_types::{
    Moment,
    cluster::{ClusterStatus, ScheduledBackups},
};

/// Time that the next backup may take, beside twice its interval, before the last one counts as old: nodes take turns,
/// and try again after a failure.
const ALLOWANCE_MS: i64 = 10 * 60 * 1_000;

/// The scheduled backups of each node that takes any, with its id.
pub(super) fn of(status: &ClusterStatus) -> impl Iterator<Item = (u64, &ScheduledBackups)> {
    status.nodes.iter().filter_map(|node| Some((node.id, node.backups.as_ref()?)))
}

/// The check of all of them together; none if no node takes backups.
pub(super) fn check(status: &ClusterStatus, clock: &Clock) -> Option<Check> {
    const NAME: &str = "backups";
    let newest = of(status).max_by_key(|(_, backups)| backups.last_at)?.1;
    let failure = of(status).find_map(|(node, backups)| Some((node, backups.last_failure.as_deref()?)));
    let why = failure.map(|(node, why)| format!("; node {node}: {why}")).unwrap_or_default();
    let fix = "nexus cluster backups shows each node; its log says more";
    let Some(at) = newest.last_at else {
        let message = format!("there is none in {} yet{why}", newest.to);
        return Some(Check::wrong(NAME, State::Warning, message, fix));
    };
    let bytes = newest.last_bytes.map(|bytes| format!(", {}", format::bytes(bytes))).unwrap_or_default();
    let message = format!("the last one {}{bytes}, in {}", clock.ago(at), newest.to);
    Some(if is_old(newest, status.timestamp) {
        let every = i64::try_from(newest.every_seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
        let message = format!("{message}, although there should be one every {}{why}", span(every));
        Check::wrong(NAME, State::Warning, message, fix)
    } else {
        Check::ok(NAME, message)
    })
}

/// Whether the newest backup is older than the schedule and its allowance say, or there is none.
pub(super) fn is_old(backups: &ScheduledBackups, now: Moment) -> bool {
    let every = i64::try_from(backups.every_seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
    let longest = every.saturating_mul(2).saturating_add(ALLOWANCE_MS);
    backups.last_at.is_none_or(|at| now.as_millis().saturating_sub(at.as_millis()) > longest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn status(backups: &[Value]) -> ClusterStatus {
        let nodes: Vec<_> = backups
            .iter()
            .enumerate()
            .map(|(at, backups)| {
                json!({ "id": at + 1, "role": "voter", "peerAddr": "p:1", "clientAddr": "c:1", "lag": 0, "lastSeenMs": 1,
                    "thisNode": at == 0, "backups": backups })
            })
            .collect();
        serde_json::from_value(
            json!({ "clusterId": null, "nodeId": 1, "version": "1", "leader": 1, "term": 1, "committed": 1,
            "applied": 1, "stateHash": "0", "healthy": true, "toleratesLosses": 1, "nodes": nodes,
            "timestamp": "2026-01-31T12:00:00Z" }),
        )
        .unwrap()
    }

    fn checked(backups: &[Value]) -> Option<(bool, String)> {
        let check = check(&status(backups), &Clock::fixed("2026-01-31T12:00:00Z"))?;
        Some((check.status == State::Ok, check.message))
    }

    #[test]
    fn the_newest_backup_counts_whichever_node_knows_of_it() {
        assert_eq!(checked(&[Value::Null, Value::Null]), None, "nobody asked for backups");
        let knows =
            |at: &str| json!({ "to": "s3://b/n", "everySeconds": 3600, "lastAt": at, "lastBytes": 2048 });
        let (is_ok, message) =
            checked(&[knows("2026-01-31T02:00:00Z"), Value::Null, knows("2026-01-31T11:30:00Z")]).unwrap();
        assert!(is_ok && message.contains("2.0 KiB, in s3://b/n"), "{message}");
    }

    #[test]
    fn an_old_one_is_a_warning_with_the_last_failure() {
        let failing = json!({ "to": "s3://b/n", "everySeconds": 3600, "lastAt": "2026-01-31T09:00:00Z",
            "failures": 7, "lastFailure": "cannot list s3://b/n: access denied" });
        let (is_ok, message) = checked(&[failing]).unwrap();
        assert!(
            !is_ok && message.contains("every 1 h") && message.contains("node 1: cannot list"),
            "{message}"
        );
        let (is_ok, message) = checked(&[json!({ "to": "/mnt/b", "everySeconds": 3600 })]).unwrap();
        assert!(!is_ok && message.contains("there is none in /mnt/b yet"), "{message}");
    }
}
