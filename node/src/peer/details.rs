//! The details that a node adds to its report. Unlike every other message, it is JSON: each version may add fields,
//! which older ones skip, so that nodes of two versions understand each other while a cluster is upgraded.

use nexus_api_types::{
    certificate::NodeCertificates,
    cluster::{NodePlace, NodeTiming, ScheduledBackups},
};
use serde::{Deserialize, Serialize};

/// Longest text that is read, in bytes: far more than a node writes.
const MAX_TEXT: usize = 64 * 1024;

/// The details that a node adds to its report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeDetails {
    /// The version of its program.
    pub version: String,
    /// Whether it takes requests that belong to a trace.
    pub knows_traces: bool,
    /// The certificates that it uses.
    pub certificates: NodeCertificates,
    /// Its region, its zone, and its priority as the leader.
    #[serde(flatten)]
    pub place: NodePlace,
    /// Its scheduled backups; none if it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<ScheduledBackups>,
    /// Its times of Raft; none from a version that does not send them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<NodeTiming>,
}

impl NodeDetails {
    /// The text that is sent.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("details have no map with other keys than texts")
    }

    /// Reads a text that was received; none when it is none of them, or too long.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT { None } else { serde_json::from_str(text).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_later_version_is_skipped_and_one_that_lacks_has_its_default() {
        let read = NodeDetails::read(r#"{"version":"9.0.0","colour":"blue","region":"eu"}"#);
        let place = NodePlace { region: Some("eu".to_owned()), ..NodePlace::default() };
        assert_eq!(place.priority, NodePlace::PRIORITY);
        assert_eq!(read, Some(NodeDetails { version: "9.0.0".to_owned(), place, ..NodeDetails::default() }));
        assert_eq!(NodeDetails::read("[]"), None);
        assert_eq!(NodeDetails::read(&format!("\"{}\"", "x".repeat(MAX_TEXT))), None);
    }
}
