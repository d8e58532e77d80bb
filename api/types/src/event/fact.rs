//! The facts that events are about, with the sentence that clients show for each.

use crate::{
    claim::Mode,
    feature::Feature,
    knowledge::{Decision, Learning},
    project::MemberRole,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The values of `type`.
pub(super) const TYPES: [&str; 16] = [
    "feature_created",
    "feature_updated",
    "feature_deleted",
    "feature_claimed",
    "feature_released",
    "feature_completed",
    "files_claimed",
    "files_released",
    "learning_added",
    "decision_added",
    "session_started",
    "session_ended",
    "session_closed",
    "member_added",
    "member_removed",
    "history_reset",
];

/// An engineer in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The id of the engineer.
    pub id: Uuid,
    /// The name of the engineer.
    pub name: String,
}

/// A feature named by its slug alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureName {
    /// The slug of the feature.
    pub slug: String,
}

/// A fact, with its details.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Fact {
    /// A draft was written.
    FeatureCreated {
        /// The feature after the change, without its spec.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// One field of a feature changed.
    FeatureUpdated {
        /// The feature after the change, without its spec.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
        /// The JSON name of the field.
        field: String,
        /// The value before; null if it was too long to be kept.
        old_value: Value,
        /// The value after.
        new_value: Value,
    },
    /// A draft, or a finished feature, was deleted.
    FeatureDeleted {
        /// The feature before it was deleted, without its spec.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// A feature was picked, by `engineer`.
    FeatureClaimed {
        /// The feature after the change, without its spec.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// A feature is free again; `engineer` had it.
    FeatureReleased {
        /// The feature after the change, without its spec.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
        /// Why it was released.
        reason: Reason,
    },
    /// A feature was finished.
    FeatureCompleted {
        /// The feature after the change, without its spec.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// Paths were taken, by `engineer`.
    FilesClaimed {
        /// The files, folders and globs.
        paths: Vec<String>,
        /// The feature that they are or were held for.
        feature_id: Option<Uuid>,
        /// Whether they are held alone or shared.
        mode: Mode,
        /// The log index of the entry that acquired them.
        fence: u64,
    },
    /// Paths are free again; `engineer` had them.
    FilesReleased {
        /// The files, folders and globs.
        paths: Vec<String>,
        /// The feature that they are or were held for.
        feature_id: Option<Uuid>,
        /// Why it was released.
        reason: Reason,
        /// The reason of a lead or an admin who took them away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A learning was added.
    LearningAdded {
        /// The feature that was worked on.
        feature: FeatureName,
        /// The learning with its text.
        learning: Learning,
    },
    /// A decision was added.
    DecisionAdded {
        /// The decision with its text.
        decision: Decision,
    },
    /// A session was started, or came back after it was disconnected.
    SessionStarted {
        /// The engineer of the session.
        engineer_id: Uuid,
        /// The name of that engineer.
        engineer_name: String,
    },
    /// A session was ended, or was disconnected because it was silent for too long. What it held is released by now, or
    /// after its grace period.
    SessionEnded {
        /// The engineer of the session.
        engineer_id: Uuid,
        /// The name of that engineer.
        engineer_name: String,
    },
    /// A disconnected session, for which there was a `session_ended` before, was closed and cannot come back.
    SessionClosed {
        /// The engineer of the session.
        engineer_id: Uuid,
        /// The name of that engineer.
        engineer_name: String,
    },
    /// An engineer joined the project.
    MemberAdded {
        /// The engineer who joined.
        member: Person,
        /// The role of the member in the project.
        role: MemberRole,
    },
    /// An engineer left the project.
    MemberRemoved {
        /// The engineer who left.
        member: Person,
        /// The role of the member in the project.
        role: MemberRole,
    },
    /// The cluster was restored from an earlier state, and what came after `through` is lost. All sessions have ended
    /// or are about to.
    HistoryReset {
        /// Whether it was restored from a backup or recovered from the data of one node.
        kind: Reset,
        /// The revision of this event: no smaller fence is valid any more.
        from: u64,
        /// The last revision before it that was kept. The revisions between the two belong to nothing.
        through: u64,
        /// The id that the cluster had before.
        former_cluster_id: Uuid,
    },
}

impl Fact {
    /// Whether somebody may hold more or less than before.
    pub const fn changes_holders(&self) -> bool {
        match self {
            Self::FeatureUpdated { .. }
            | Self::FeatureDeleted { .. }
            | Self::FeatureClaimed { .. }
            | Self::FeatureReleased { .. }
            | Self::FeatureCompleted { .. }
            | Self::FilesClaimed { .. }
            | Self::FilesReleased { .. }
            | Self::SessionEnded { .. }
            | Self::SessionClosed { .. }
            | Self::MemberRemoved { .. }
            | Self::HistoryReset { .. } => true,
            Self::FeatureCreated { .. }
            | Self::SessionStarted { .. }
            | Self::LearningAdded { .. }
            | Self::DecisionAdded { .. }
            | Self::MemberAdded { .. } => false,
        }
    }

    /// The fact as a sentence without a full stop. `who` is the engineer whose work it is about, and `by` names who did
    /// it to somebody else, as in ` by ana`. `listed` shortens a list of paths.
    pub fn sentence(&self, who: &str, by: &str, listed: impl Fn(&[String]) -> String) -> String {
        match self {
            Self::FeatureCreated { feature } => format!("{who} wrote {}: {}", feature.slug, feature.title),
            Self::FeatureUpdated { feature, field, new_value, .. } => {
                format!("{who} changed the {field} of {}{}", feature.slug, to(new_value))
            }
            Self::FeatureDeleted { feature } => format!("{who} threw away {}", feature.slug),
            Self::FeatureClaimed { feature } => format!("{who} picked {}", feature.slug),
            Self::FeatureReleased { feature, reason } => {
                format!("{} of {who} is free again: {}{by}", feature.slug, reason.words())
            }
            Self::FeatureCompleted { feature } => format!("{who} finished {}", feature.slug),
            Self::FilesClaimed { paths, .. } => format!("{who} holds {}", listed(paths)),
            Self::FilesReleased { paths, reason, note, .. } => {
                let note = note.as_ref().map_or(String::new(), |note| format!(" ({})", short(note)));
                format!("{} of {who} free: {}{by}{note}", listed(paths), reason.words())
            }
            Self::LearningAdded { feature, learning } => {
                format!("{who} learnt with {}: {}", feature.slug, short(&learning.content))
            }
            Self::DecisionAdded { decision } => format!("{who} decided: {}", decision.title),
            Self::SessionStarted { .. } => format!("{who} came"),
            Self::SessionEnded { .. } => format!("{who} is gone"),
            Self::SessionClosed { .. } => format!("the session of {who} is over"),
            Self::MemberAdded { member, .. } => format!("{} joined the project{by}", member.name),
            Self::MemberRemoved { member, .. } => format!("{} left the project{by}", member.name),
            Self::HistoryReset { kind, through, .. } => {
                let how = match kind {
                    Reset::Restored => "restored from a backup",
                    Reset::Recovered => "recovered from one node",
                    Reset::Unknown => "restored",
                };
                format!("the cluster was {how}: what came after revision {through} is lost")
            }
        }
    }
}

/// The new value of a field, as the end of a sentence. Long values are shortened.
fn to(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => format!(" to {}", short(text)),
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            let texts = if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") };
            format!(" to {}", short(&texts))
        }
        other => format!(" to {other}"),
    }
}

/// The first line, or the beginning of it.
fn short(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    let line = text.trim().lines().next().unwrap_or_default();
    if line.chars().count() <= MAX_CHARS {
        line.to_owned()
    } else {
        line.chars().take(MAX_CHARS).chain(['…']).collect()
    }
}

/// Why a history was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// The cluster was restored from a backup.
    Restored,
    /// The cluster was recovered from the data of one node, without a quorum.
    Recovered,
    /// A reason that a newer server knows.
    #[serde(other)]
    Unknown,
}

/// Why something was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its holder gave it back.
    Released,
    /// Its feature was finished.
    Completed,
    /// Its feature was given up.
    Cancelled,
    /// It is no longer among the feature's paths.
    Updated,
    /// Its session was ended.
    SessionEnded,
    /// Its session was lost.
    Expired,
    /// Its holder was taken out of the project.
    MemberRemoved,
    /// A lead or an admin took it away.
    Forced,
    /// The cluster was restored from an earlier state.
    HistoryReset,
    /// A reason that a newer server knows.
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// The reason in words.
    const fn words(self) -> &'static str {
        match self {
            Self::Released => "given back",
            Self::Completed => "done",
            Self::Cancelled => "given up",
            Self::Updated => "not needed any more",
            Self::SessionEnded => "the session ended",
            Self::Expired => "nothing was heard of the session",
            Self::MemberRemoved => "the engineer left the project",
            Self::Forced => "taken away",
            Self::HistoryReset => "the cluster was restored",
            Self::Unknown => "for another reason",
        }
    }
}

/// A feature without its spec, which may be long.
mod without_spec {
    use super::Feature;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
    use serde_json::Value;

    #[expect(clippy::borrowed_box, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(feature: &Box<Feature>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(feature).map_err(ser::Error::custom)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("spec");
        }
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Feature>, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if let Some(fields) = value.as_object_mut() {
            fields.entry("spec").or_insert_with(|| Value::String(String::new()));
        }
        serde_json::from_value(value).map(Box::new).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_fact_is_named_in_the_description() {
        // The error for an unknown name lists the known ones.
        let error = serde_json::from_value::<Fact>(json!({ "type": "" })).unwrap_err().to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, TYPES, "{error}");
    }
}
