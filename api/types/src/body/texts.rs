//! Fields that are texts, and objects that are kept as texts.

use super::{
    field::{BodyField, Problem, Schemas, TextField, nullable, problem},
    sorted_json,
};
use crate::Moment;
use nexus_domain::{
    EngineerId, FeatureId, ProjectId, SessionId,
    ids::{DecisionId, InstanceId},
    short_text::{AgentName, Email, Label, MAX_FEATURE_SLUG, Name, Slug, Title},
};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, Ref, RefOr, SchemaFormat,
        schema::{Schema, Type},
    },
};
use uuid::Uuid;

/// A text without control characters.
pub(crate) const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// A text without control characters that has something visible.
pub(crate) const VISIBLE: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// A short name in addresses.
pub(crate) const SLUG: &str = "^[a-z0-9-]+$";
/// A UUID in lower case.
pub(super) const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// The schema of a text with a format and this many characters.
pub(crate) fn text_schema(least: Option<usize>, most: usize, pattern: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.min_length(least).max_length(Some(most)).pattern(Some(pattern)).into()
}

/// Implements [`TextField`] for the short texts of the domain.
macro_rules! short_texts {
    ($($type:ident = $schema:expr;)+) => {$(
        impl TextField for $type {
            type Sent = String;

            fn from_text(text: &str) -> Result<Self, String> {
                Self::parse(text).map_err(|problem| problem.to_string())
            }

            fn text_schema() -> RefOr<Schema> {
                $schema
            }
        }
    )+};
}

short_texts! {
    Name = text_schema(Some(1), 100, VISIBLE);
    Title = text_schema(Some(1), 200, VISIBLE);
    AgentName = text_schema(Some(1), 100, PRINTABLE);
    Label = text_schema(Some(0), 2048, PRINTABLE);
    Slug = text_schema(Some(1), MAX_FEATURE_SLUG, SLUG);
    Email = {
        let format = SchemaFormat::KnownFormat(KnownFormat::Email);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).max_length(Some(255)).into()
    };
}

/// Any text is accepted.
impl TextField for String {
    type Sent = Self;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn text_schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).into()
    }
}

impl TextField for Moment {
    type Sent = Self;

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }

    fn text_schema() -> RefOr<Schema> {
        Ref::from_schema_name(Self::name()).into()
    }

    fn text_schemas(schemas: &mut Schemas) {
        schemas.push((Self::name().into_owned(), <Self as PartialSchema>::schema()));
    }
}

/// The text of a specification, which is not empty.
pub struct Spec(pub Arc<str>);

/// A text that is not too long for a list.
pub struct LongText(pub Arc<str>);

/// A text that is not empty, and not too long for a list.
pub struct SomeText(pub Arc<str>);

/// Bytes of one text that is listed in pages, so that the largest page fits into memory.
const MAX_LONG_TEXT: usize = 256 * 1024;

fn not_empty(text: &str) -> Result<Arc<str>, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.into()) }
}

fn long_text(text: &str) -> Result<Arc<str>, String> {
    if text.len() > MAX_LONG_TEXT {
        return Err(format!("has {} bytes, at most {MAX_LONG_TEXT} are allowed", text.len()));
    }
    Ok(text.into())
}

fn not_empty_schema() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).into()
}

impl TextField for Spec {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        not_empty(text).map(Self)
    }

    fn text_schema() -> RefOr<Schema> {
        not_empty_schema()
    }
}

impl TextField for LongText {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        long_text(text).map(Self)
    }

    fn text_schema() -> RefOr<Schema> {
        String::text_schema()
    }
}

impl TextField for SomeText {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        not_empty(text)?;
        long_text(text).map(Self)
    }

    fn text_schema() -> RefOr<Schema> {
        not_empty_schema()
    }
}

/// An object of any form, as JSON text with sorted keys.
pub struct SortedObject(pub Arc<str>);

impl BodyField for SortedObject {
    type Sent = Map<String, Value>;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        match value {
            Value::Object(_) => long_text(&sorted_json::text(&value)).map(Self).or_else(problem),
            _ => problem("must be an object"),
        }
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().into()
    }
}

/// Implements [`BodyField`] for ids.
macro_rules! ids {
    ($($id:ident),+) => {$(
        impl BodyField for $id {
            type Sent = Uuid;

            fn parse(value: Value) -> Result<Self, Vec<Problem>> {
                let Value::String(text) = value else { return problem("must be a string") };
                text.parse::<Uuid>().map(Self::from).or_else(|_| problem("must be a UUID"))
            }

            fn schema() -> RefOr<Schema> {
                uuid_schema().into()
            }

            fn optional_schema() -> RefOr<Schema> {
                nullable(uuid_schema().pattern(Some(UUID)).into())
            }
        }
    )+};
}

/// The schema of an id.
pub(super) fn uuid_schema() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format))
}

ids!(DecisionId, EngineerId, FeatureId, InstanceId, ProjectId, SessionId);
