//! An event with its position in the history of the cluster, and the answers that have events.

use super::fact::{Fact, Person, TYPES};
use crate::Moment;
use serde::{Deserialize, Serialize};
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
    /// The fact, whose name is the `type` of the event.
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
    /// The actor, if that is not `engineer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::claim::Mode;
    use serde_json::json;

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
