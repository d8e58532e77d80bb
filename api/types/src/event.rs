//! Past facts of a project, as WebSockets and long polls tell them.

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

/// A past fact with its place in the history of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What happened; its name is the `type` of the event.
    #[serde(flatten)]
    pub fact: Fact,
    /// Where.
    pub project_id: Uuid,
    /// The log index: what to resume from.
    pub revision: u64,
    /// Its place within the revision, from 0; other projects' events count too.
    pub seq: u32,
    /// When.
    pub timestamp: Moment,
    /// The session that did it, or to which it happened.
    pub session_id: Option<Uuid>,
    /// The session's agent.
    pub agent: Option<String>,
    /// The engineer who did it, or to whom it happened; none for the cluster itself.
    pub engineer: Option<Person>,
    /// Who did it, when that is somebody else than `engineer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// Names of the facts, as `type` has them.
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
    /// What all facts have in common: what else is there depends on the type.
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
    /// Identity.
    pub id: Uuid,
    /// Name.
    pub name: String,
}

/// Who did something to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct By {
    /// Identity.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// As which session.
    pub session_id: Option<Uuid>,
    /// The session's agent.
    pub agent: Option<String>,
}

/// A feature named by its slug alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureName {
    /// Its slug.
    pub slug: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Fact {
    /// A draft was written.
    FeatureCreated {
        /// As it is now.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// One field of a feature changed.
    FeatureUpdated {
        /// As it is now.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
        /// The field's name.
        field: String,
        /// Its value before; null where it is too long to tell.
        old_value: Value,
        /// Its value after.
        new_value: Value,
    },
    /// A draft was thrown away.
    FeatureDeleted {
        /// As it was.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// A feature was picked, by `engineer`.
    FeatureClaimed {
        /// As it is now.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// A feature is free again; `engineer` had it.
    FeatureReleased {
        /// As it is now.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
        /// Why.
        reason: Reason,
    },
    /// A feature was finished.
    FeatureCompleted {
        /// As it is now.
        #[serde(with = "without_spec")]
        feature: Box<Feature>,
    },
    /// Paths were taken, by `engineer`.
    FilesClaimed {
        /// Which.
        paths: Vec<String>,
        /// For what.
        feature_id: Option<Uuid>,
        /// Alone or shared.
        mode: Mode,
        /// Log index of the acquiring entry.
        fence: u64,
    },
    /// Paths are free again; `engineer` had them.
    FilesReleased {
        /// Which.
        paths: Vec<String>,
        /// For what.
        feature_id: Option<Uuid>,
        /// Why.
        reason: Reason,
        /// Why somebody took them away, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Something was learned.
    LearningAdded {
        /// While working on what.
        feature: FeatureName,
        /// What.
        learning: Learning,
    },
    /// Something was decided.
    DecisionAdded {
        /// What.
        decision: Decision,
    },
    /// The session began, or came back.
    SessionStarted {
        /// Whose.
        engineer_id: Uuid,
        /// Their name.
        engineer_name: String,
    },
    /// The session was silent for too long, or was ended. What it held is released by then, or after
    /// its grace.
    SessionEnded {
        /// Whose.
        engineer_id: Uuid,
        /// Their name.
        engineer_name: String,
    },
    /// The session, of which `session_ended` told before, cannot come back any more.
    SessionClosed {
        /// Whose.
        engineer_id: Uuid,
        /// Their name.
        engineer_name: String,
    },
    /// An engineer joined the project.
    MemberAdded {
        /// Whom.
        member: Person,
        /// As what.
        role: MemberRole,
    },
    /// An engineer left the project.
    MemberRemoved {
        /// Whom.
        member: Person,
        /// As what.
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
    /// In order; never part of a revision.
    pub items: Vec<Event>,
    /// The `since` of the next request.
    pub next_since: u64,
    /// Whether more is there already.
    pub has_more: bool,
}

/// Answer of `POST /auth/ws-ticket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Opens one socket: `GET /ws?ticket=`. Shown once.
    pub ticket: String,
    /// When it is void.
    pub expires_at: Moment,
}

/// The whole feature without its spec, which may be long: it is a GET away.
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
        // Whoever reads a fact of no known name says which names are known.
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
