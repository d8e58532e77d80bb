//! Observations beside operations: events of feeds, beats of sessions, and ends of sessions.

use nexus_domain::{Event, Recorded};
use serde::{Deserialize, Serialize};

/// An event as one node has sent it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeenEvent {
    /// The log index of its entry.
    pub revision: u64,
    /// The position among the events of the entry, from 0.
    pub seq: u32,
    /// The features and paths that it acquires, each with the fence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acquired: Vec<(String, u64)>,
    /// The whole event as text, for comparison with other nodes.
    pub text: String,
}

impl SeenEvent {
    /// An event as the history of a node has it.
    pub fn of(recorded: &Recorded) -> Self {
        let acquired = match &recorded.event {
            Event::FeatureClaimed(feature) => {
                let fence = feature.fence().map(|fence| fence.0);
                fence.map(|fence| (format!("feature {}", feature.id), fence)).into_iter().collect()
            }
            Event::FilesClaimed { project, paths, fence, .. } => {
                paths.iter().map(|path| (format!("{project} {}", path.as_str()), fence.0)).collect()
            }
            _ => Vec::new(),
        };
        let text = format!("{recorded:?}");
        Self { revision: recorded.revision.0, seq: recorded.seq, acquired, text }
    }
}

/// An acknowledged renewal of a session's lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Beat {
    /// The session that was renewed.
    pub session: String,
    /// The holder's own time, in microseconds, at which the request was sent.
    pub sent_us: u64,
    /// The holder's own time, in microseconds, at which the acknowledgement arrived.
    pub acknowledged_us: u64,
    /// The log index of the entry that renewed it, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The cluster time of that entry in milliseconds, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ms: Option<u64>,
    /// The lease that it was granted, in milliseconds.
    pub lease_ms: u64,
    /// The grace after that, in milliseconds.
    pub grace_ms: u64,
}

/// The end of a session's lease, or of everything that it held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionEnd {
    /// The session that ended.
    pub session: String,
    /// The part that ended.
    pub kind: SessionEndKind,
    /// The holder's own time, in microseconds, at which it was over at the earliest: when the first node applied it, or
    /// when somebody else was granted what it held. `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_us: Option<u64>,
    /// The log index of the entry that ended it, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The cluster time of that entry in milliseconds, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ms: Option<u64>,
}

/// The part of a session that ended without anybody asking for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEndKind {
    /// The lease: the session was disconnected.
    Lease,
    /// The grace after the lease: everything was released.
    Grace,
}
