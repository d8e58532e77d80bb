//! Events of a project, as WebSockets and long polls send them.

use crate::{
    Moment,
    claim::Mode,
    feature::Feature,
    knowledge::{Decision, Learning},
    project::MemberRole,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};
use uuid::Uuid;

/// An event, with its position in the history of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What happened. Its name is the `type` of the event.
    #[serde(flatten)]
    pub fact: Fact,
    /// The project that it happened in.
    pub project_id: Uuid,
    /// The log index, from which a client can resume.
    pub revision: u64,
    /// The position within the revision, from 0. Events of other projects count too.
    pub seq: u32,
    /// When it happened.
    pub timestamp: Moment,
    /// The session that did it, or that it happened to.
    pub session_id: Option<Uuid>,
    /// The agent of the session.
    pub agent: Option<String>,
    /// The engineer who did it, or whom it happened to; none for the cluster itself.
    pub engineer: Option<Person>,
    /// Who did it, if that is not `engineer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// The values of `type`.
const TYPES: [&str; 15] = [
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
];

impl PartialSchema for Event {
    /// The fields that all events have. The others depend on the type.
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let number = || ObjectBuilder::new().schema_type(Type::Integer);
        let common = ObjectBuilder::new()
            .property("type", text().enum_values(Some(TYPES)))
            .property("projectId", text())
            .property("revision", number().description(Some("The log index: what to resume from.")))
            .property("seq", number().description(Some("Its place within the revision, from 0.")))
            .property("timestamp", Moment::schema());
        let required = ["type", "projectId", "revision", "seq", "timestamp"];
        required.into_iter().fold(common, ObjectBuilder::required).into()
    }
}

impl ToSchema for Event {}

/// An engineer in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The id of the engineer.
    pub id: Uuid,
    /// The name of the engineer.
    pub name: String,
}

/// The engineer who did something to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct By {
    /// The id of the engineer.
    pub id: Uuid,
    /// The name of the engineer.
    pub name: String,
    /// The session that did it.
    pub session_id: Option<Uuid>,
    /// The agent of the session.
    pub agent: Option<String>,
}

/// A feature named by its slug alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureName {
    /// The slug of the feature.
    pub slug: String,
}

/// What happened, with its details.
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
    /// A reason that a newer server knows.
    #[serde(other)]
    Unknown,
}

/// Answer of `GET …/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// The events in order; a revision is never split.
    pub items: Vec<Event>,
    /// The `since` of the next request.
    pub next_since: u64,
    /// Whether more events can be read now.
    pub has_more: bool,
}

/// Answer of `POST /auth/ws-ticket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Opens one socket with `GET /ws?ticket=`. It is shown only once.
    pub ticket: String,
    /// When it expires.
    pub expires_at: Moment,
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

    #[test]
    fn an_event_is_flat_and_survives_the_wire() {
        let event = Event {
            fact: Fact::FilesClaimed {
                paths: vec!["src/a.rs".to_owned()],
                feature_id: None,
                mode: Mode::Exclusive,
                fence: 7,
            },
            project_id: Uuid::from_u128(1),
            revision: 7,
            seq: 1,
            timestamp: Moment::parse("2026-01-31T12:00:00.000Z").unwrap(),
            session_id: Some(Uuid::from_u128(2)),
            agent: None,
            engineer: Some(Person { id: Uuid::from_u128(3), name: "Ana".to_owned() }),
            by: None,
        };
        let text = serde_json::to_value(&event).unwrap();
        let expected = json!({
            "type": "files_claimed",
            "paths": ["src/a.rs"],
            "featureId": null,
            "mode": "exclusive",
            "fence": 7,
            "projectId": Uuid::from_u128(1),
            "revision": 7,
            "seq": 1,
            "timestamp": "2026-01-31T12:00:00.000Z",
            "sessionId": Uuid::from_u128(2),
            "agent": null,
            "engineer": { "id": Uuid::from_u128(3), "name": "Ana" },
        });
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_value::<Event>(text).unwrap(), event);
    }
}
