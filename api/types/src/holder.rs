//! The session of a holder, as people recognise it: its name, its place and its lease.

use nexus_domain::{
    entity::{HeartbeatMode, SessionNote},
    short_text::Label,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The lease of a session, by what renews it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lease {
    /// The short lease of a session that sends heartbeats, of 90 seconds by default.
    Attended,
    /// The long lease of a session that never sent a heartbeat, of two hours by default. Requests renew it.
    Unattended,
}

impl Lease {
    /// The words behind the time of its end that say what renews it.
    pub const fn renewal(self) -> &'static str {
        match self {
            Self::Attended => "renewed while it runs",
            Self::Unattended => "renewed by its requests",
        }
    }
}

impl From<HeartbeatMode> for Lease {
    fn from(mode: HeartbeatMode) -> Self {
        match mode {
            HeartbeatMode::Attended => Self::Attended,
            HeartbeatMode::Unattended => Self::Unattended,
        }
    }
}

/// The session of a holder, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HolderSession {
    /// The name that its engineer gave it. A long one is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// The name of the folder that it works in, without those above it. A long one is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The branch that is checked out there. A long one is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The kind of its lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

impl HolderSession {
    /// A session of this name that works in this folder, on this branch.
    pub(crate) fn new(
        name: Option<&str>,
        folder: Option<&str>,
        branch: Option<&str>,
        lease: Option<Lease>,
    ) -> Self {
        Self {
            session_name: name.and_then(SessionNote::name),
            folder: folder.and_then(SessionNote::folder),
            branch: branch.and_then(SessionNote::name),
            lease,
        }
    }

    /// Its place, as words behind its name: ` in app on main`, or nothing.
    pub fn place(&self) -> String {
        let named = [(" in ", &self.folder), (" on ", &self.branch)];
        named.into_iter().filter_map(|(word, name)| Some(word.to_owned() + name.as_ref()?)).collect()
    }

    /// The renewal of its lease, as words behind the time of its end: `, renewed while it runs`, or nothing.
    pub fn renewal(&self) -> String {
        self.lease.map(|lease| format!(", {}", lease.renewal())).unwrap_or_default()
    }
}

impl From<&SessionNote> for HolderSession {
    fn from(note: &SessionNote) -> Self {
        let text = |label: &Option<Label>| label.as_ref().map(ToString::to_string);
        Self {
            session_name: text(&note.name),
            folder: text(&note.folder),
            branch: text(&note.branch),
            lease: Some(note.heartbeat_mode.into()),
        }
    }
}
