//! The forms of all answers of a node, on which clients may rely. They are written a second time, apart from the types
//! of the code, so that a change of the code does not change the contract.

use crate::client::{Answer, Client};
use reqwest::Method;
use serde_json::{Map, Value};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The form of a field.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A UUID, as text.
    Id,
    /// Any text, empty ones included.
    Text,
    /// A time: ISO 8601, UTC, milliseconds.
    Moment,
    /// A whole number, not negative.
    Number,
    /// True or false.
    Flag,
    /// A list of texts.
    Texts,
    /// A list whose items are not checked.
    List,
    /// An object whose fields are not checked.
    Object,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `null`, or a value of this form.
    Maybe(&'static Form),
}

use Form::{Flag, Id, List, Maybe, Moment, Number, Object, Text, Texts, Word};

/// Names and forms of fields that must be there.
pub type Fields = &'static [(&'static str, Form)];

const MAYBE_ID: Form = Maybe(&Id);
const MAYBE_TEXT: Form = Maybe(&Text);
const MAYBE_MOMENT: Form = Maybe(&Moment);
const LANE: Form = Word(&["now", "next", "later", "icebox"]);

/// An engineer as others see them.
pub const ENGINEER: Fields = &[("id", Id), ("name", Text), ("email", Text)];
/// The answer of `/auth/me`.
pub const ME: Fields =
    &[("id", Id), ("name", Text), ("email", Text), ("role", Word(&["admin", "engineer", "readonly"]))];
/// A project, as every route shows it.
pub const PROJECT: Fields = &[
    ("id", Id),
    ("name", Text),
    ("slug", Text),
    ("repoUrl", MAYBE_TEXT),
    ("repoPath", MAYBE_TEXT),
    ("defaultBranch", Text),
    ("case", Word(&["sensitive", "insensitive"])),
    ("createdAt", Moment),
    ("updatedAt", Moment),
];
/// A member of a project.
pub const MEMBER: Fields =
    &[("engineerId", Id), ("role", Word(&["lead", "member"])), ("name", Text), ("email", Text)];
/// A feature, as every route shows it.
pub const FEATURE: Fields = &[
    ("id", Id),
    ("projectId", Id),
    ("slug", Text),
    ("title", Text),
    ("spec", Text),
    ("status", Word(&["draft", "ready", "active", "done", "cancelled"])),
    ("lane", LANE),
    ("priority", Number),
    ("touches", Texts),
    ("createdBy", Id),
    ("claimedBy", MAYBE_ID),
    ("claimedAt", MAYBE_MOMENT),
    ("completedAt", MAYBE_MOMENT),
    ("createdAt", Moment),
    ("updatedAt", Moment),
];
/// Fields that the cluster adds to a feature.
pub const FEATURE_ADDED: Fields = &[
    ("sessionId", MAYBE_ID),
    ("agent", MAYBE_TEXT),
    ("fence", Maybe(&Number)),
    ("dependsOn", Texts),
    ("reads", Texts),
    ("interruptedAt", MAYBE_MOMENT),
];
/// A claim, as lists of claims show it.
pub const CLAIM: Fields = &[
    ("filePath", Text),
    ("projectId", Id),
    ("engineerId", Id),
    ("engineerName", Text),
    ("featureId", MAYBE_ID),
    ("claimedAt", Moment),
    ("expiresAt", Moment),
];
/// Fields that the cluster adds to a claim.
pub const CLAIM_ADDED: Fields =
    &[("sessionId", Id), ("agent", MAYBE_TEXT), ("mode", Word(&["exclusive", "shared"])), ("fence", Number)];
/// The holder in `details.conflicts`.
pub const CLAIMED_BY: Fields = &[
    ("engineerId", Id),
    ("engineerName", Text),
    ("sessionId", Id),
    ("agent", MAYBE_TEXT),
    ("featureId", MAYBE_ID),
    ("featureSlug", MAYBE_TEXT),
    ("claimedAt", Moment),
    ("expiresAt", Moment),
];
/// A session, as every route shows it.
pub const SESSION: Fields = &[
    ("id", Id),
    ("projectId", Id),
    ("engineerId", Id),
    ("featureId", MAYBE_ID),
    ("status", Word(&["active", "disconnected"])),
    ("lastHeartbeat", Moment),
    ("metadata", Object),
    ("createdAt", Moment),
];
/// Fields that the cluster adds to a session.
pub const SESSION_ADDED: Fields = &[("agent", MAYBE_TEXT), ("expiresAt", Moment)];
/// A checkpoint, as every route shows it.
pub const CHECKPOINT: Fields = &[
    ("id", Id),
    ("sessionId", Id),
    ("featureId", Id),
    ("engineerId", Id),
    ("type", Word(&["auto_periodic", "manual", "crash_recovery"])),
    ("stateHash", Text),
    ("activeClaims", Texts),
    ("context", Object),
    ("notes", MAYBE_TEXT),
    ("isLatest", Flag),
    ("createdAt", Moment),
];
/// A learning, as every route shows it.
pub const LEARNING: Fields =
    &[("id", Id), ("featureId", Id), ("engineerId", Id), ("content", Text), ("createdAt", Moment)];
/// A decision, as every route shows it.
pub const DECISION: Fields = &[
    ("id", Id),
    ("title", Text),
    ("decision", Text),
    ("rationale", MAYBE_TEXT),
    ("alternatives", MAYBE_TEXT),
    ("supersedes", MAYBE_ID),
    ("createdAt", Moment),
];
/// A page of a list.
pub const PAGE: Fields = &[("items", List), ("nextCursor", MAYBE_TEXT), ("hasMore", Flag)];
/// Fields of every event.
pub const EVENT: Fields = &[
    ("type", Text),
    ("projectId", Id),
    ("revision", Number),
    ("seq", Number),
    ("timestamp", Moment),
    ("sessionId", MAYBE_ID),
    ("agent", MAYBE_TEXT),
    ("engineer", Maybe(&Object)),
];
/// A key as its owner sees it.
pub const API_KEY: Fields = &[
    ("id", Id),
    ("label", Text),
    ("expiresAt", MAYBE_MOMENT),
    ("projectId", MAYBE_ID),
    ("readonly", Flag),
    ("createdAt", Moment),
];
/// The cluster, as one of its nodes sees it.
pub const CLUSTER: Fields = &[
    ("nodeId", Number),
    ("leader", Maybe(&Number)),
    ("term", Number),
    ("applied", Number),
    ("stateHash", Text),
    ("healthy", Flag),
    ("nodes", List),
    ("timestamp", Moment),
];

fn is_moment(text: &str) -> bool {
    const LIKE: &str = "2026-01-31T12:00:00.000Z";
    let same = |(one, like): (char, char)| one == like || (one.is_ascii_digit() && like.is_ascii_digit());
    text.len() == LIKE.len() && text.chars().zip(LIKE.chars()).all(same)
}

fn fits(form: Form, value: &Value) -> bool {
    match form {
        Id => value.as_str().is_some_and(|text| uuid::Uuid::parse_str(text).is_ok() && text.len() == 36),
        Text => value.is_string(),
        Moment => value.as_str().is_some_and(is_moment),
        Number => value.is_u64(),
        Flag => value.is_boolean(),
        Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        List => value.is_array(),
        Object => value.is_object(),
        Word(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Maybe(form) => value.is_null() || fits(*form, value),
    }
}

/// Checks that an object has these fields, each of its form; more may be there. Returns the object.
///
/// # Panics
/// When a field is missing or has another form.
pub fn has(object: &Value, fields: Fields) -> &Value {
    for (name, form) in fields {
        let value = object.get(name).unwrap_or_else(|| panic!("no {name} in {object}"));
        assert!(fits(*form, value), "{name} is no {form:?} in {object}");
    }
    object
}

/// Checks that a list has objects of this form. Returns the list.
///
/// # Panics
/// When it is no list, or an object has another form.
pub fn all(list: &Value, fields: Fields) -> &Vec<Value> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().for_each(|item| {
        has(item, fields);
    });
    items
}

/// Checks a page of objects of this form. Returns its items.
///
/// # Panics
/// When the value has another form.
pub fn page(page: &Value, fields: Fields) -> &Vec<Value> {
    has(page, PAGE);
    assert_eq!(page["hasMore"], page["nextCursor"].is_string(), "{page}");
    all(&page["items"], fields)
}

/// Checks the envelope of an answer and the headers that every answer has.
///
/// # Panics
/// When it breaks the contract.
pub fn is_sound(answer: &Answer) {
    let header = |name: &str| {
        let value = answer.headers.get(name).unwrap_or_else(|| panic!("no {name}: {}", answer.body));
        value.to_str().expect("ASCII").to_owned()
    };
    let request = header("x-request-id");
    header("x-nexus-revision").parse::<u64>().expect("a log index");
    let keys = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    let body = answer.body.as_object().unwrap_or_else(|| panic!("no object: {}", answer.body));
    if answer.status.is_success() {
        let names = keys(body);
        assert!(names == ["data"] || names == ["data", "message"], "{names:?}");
        return;
    }
    assert_eq!(keys(body), ["error"]);
    let error = has(&answer.body["error"], &[("code", Text), ("message", Text), ("requestId", Text)]);
    assert_eq!(error["requestId"], request);
    assert!(!answer.message().is_empty());
    let allowed = ["code", "message", "details", "requestId"];
    assert!(
        error.as_object().expect("an object").keys().all(|key| allowed.contains(&key.as_str())),
        "{error}"
    );
    if answer.status == 400 && answer.code() == "VALIDATION_ERROR" {
        assert!(error.get("details").is_some_and(Value::is_object), "details per field: {error}");
    }
    let message = answer.message();
    assert!(!message.contains(".rs:") && !message.contains("panicked"), "a defect shows itself: {message}");
}

/// A client that sends each request to another node, and panics at an answer that breaks the contract.
#[derive(Clone, Debug)]
pub struct Strict {
    client: Client,
    urls: Vec<String>,
    turn: Arc<AtomicUsize>,
}

impl Strict {
    /// Makes a client that goes through all of these nodes.
    pub fn new(client: Client, urls: Vec<String>) -> Self {
        Self { client, urls, turn: Arc::default() }
    }

    /// The same nodes with another client.
    pub fn with(&self, change: impl FnOnce(&Client) -> Client) -> Self {
        Self { client: change(&self.client), ..self.clone() }
    }

    /// The client of the next node.
    pub fn next(&self) -> Client {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.client.via(&self.urls[turn % self.urls.len()])
    }

    /// Sends a request and returns the valid answer.
    ///
    /// # Panics
    /// When there is no answer, or the answer breaks the contract.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let sent = self.next().send(method.clone(), path, body.as_ref()).await;
        let answer = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        is_sound(&answer);
        answer
    }

    /// Sends a request that must succeed with this status. Returns its data.
    ///
    /// # Panics
    /// When the outcome is another one.
    pub async fn ok(&self, status: u16, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = format!("{method} {path} {body:?}");
        let answer = self.ask(method, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{request}: {}", answer.body);
        answer.body["data"].clone()
    }

    /// Sends a `GET` that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        self.ok(200, Method::GET, path, None).await
    }

    /// Sends a `POST` that must create something.
    pub async fn make(&self, path: &str, body: Value) -> Value {
        self.ok(201, Method::POST, path, Some(body)).await
    }

    /// Sends a `POST` that must succeed with status 200.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.ok(200, Method::POST, path, Some(body)).await
    }

    /// Sends a `PATCH` that must succeed.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.ok(200, Method::PATCH, path, Some(body)).await
    }

    /// Sends a `DELETE` that must succeed.
    pub async fn delete(&self, path: &str) -> Value {
        self.ok(200, Method::DELETE, path, None).await
    }

    /// Sends a request that must fail with this status and code. Returns the error.
    ///
    /// # Panics
    /// When the outcome is another one.
    pub async fn refused(
        &self,
        expected: (u16, &str),
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let request = format!("{method} {path} {body:?}");
        let answer = self.ask(method, path, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), expected, "{request}: {}", answer.body);
        answer.body["error"].clone()
    }

    /// Sends a `POST` that must be refused because of one field.
    ///
    /// # Panics
    /// When it is not refused.
    pub async fn wrong(&self, path: &str, body: Value, field: &str) {
        let error = self.refused((400, "VALIDATION_ERROR"), Method::POST, path, Some(body.clone())).await;
        assert!(error["details"][field].is_array(), "{field} in {body}: {error}");
    }
}
