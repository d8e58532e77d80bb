//! Fields of bodies: their documentation, the values that clients send, and the checks of the server.

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, OneOfBuilder, RefOr,
    schema::{Schema, SchemaType, Type},
};

/// Schemas with their names.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// A reason why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the inner field at fault, if the value is an object.
    pub(super) inner: Option<String>,
    /// The reason, as the end of a sentence that begins with the name of the field.
    pub(super) text: String,
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { inner: None, text }
    }
}

/// One problem with a value.
pub(super) fn problem<T>(text: impl Into<String>) -> Result<T, Vec<Problem>> {
    Err(vec![Problem::from(text.into())])
}

/// A field of a body, by the type of its checked value.
pub trait BodyField: Sized {
    /// The type of the value in a client's own struct of the body.
    type Sent: Serialize;

    /// Whether the field must be there.
    const REQUIRED: bool = true;

    /// The value when the field is absent or `null`.
    ///
    /// # Errors
    /// When the field must be there.
    fn absent() -> Result<Self, Vec<Problem>> {
        problem("is required")
    }

    /// Whether a value says no more than an absent field does.
    fn is_missing(value: &Value) -> bool {
        value.is_null()
    }

    /// Checks a value, which is not `null`.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn parse(value: Value) -> Result<Self, Vec<Problem>>;

    /// The schema of the value.
    fn schema() -> RefOr<Schema>;

    /// The schema of the value where the field may be absent.
    fn optional_schema() -> RefOr<Schema> {
        nullable(Self::schema())
    }

    /// Adds the schemas that this one refers to.
    fn schemas(_: &mut Schemas) {}

    /// Whether a client leaves the field out.
    fn is_left_out(_: &Self::Sent) -> bool {
        false
    }
}

impl<T: BodyField> BodyField for Option<T> {
    type Sent = Option<T::Sent>;

    const REQUIRED: bool = false;

    fn absent() -> Result<Self, Vec<Problem>> {
        Ok(None)
    }

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        T::parse(value).map(Some)
    }

    fn schema() -> RefOr<Schema> {
        T::optional_schema()
    }

    fn schemas(schemas: &mut Schemas) {
        T::schemas(schemas);
    }

    fn is_left_out(sent: &Self::Sent) -> bool {
        sent.is_none()
    }
}

/// A field that is sent as a text.
pub trait TextField: Sized {
    /// The type of the value in a client's own struct of the body: a text, or an enum of allowed words.
    type Sent: Serialize;

    /// Checks a text.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    fn from_text(text: &str) -> Result<Self, String>;

    /// The schema of the text.
    fn text_schema() -> RefOr<Schema>;

    /// Adds the schemas that this one refers to.
    fn text_schemas(_: &mut Schemas) {}
}

impl<T: TextField> BodyField for T {
    type Sent = <T as TextField>::Sent;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        match value {
            Value::String(text) => T::from_text(&text).or_else(problem),
            _ => problem("must be a string"),
        }
    }

    fn schema() -> RefOr<Schema> {
        T::text_schema()
    }

    fn schemas(schemas: &mut Schemas) {
        T::text_schemas(schemas);
    }
}

/// The schema of a value that may be `null`.
pub(super) fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let with_null = |kind: SchemaType| match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
        other => other,
    };
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = with_null(object.schema_type);
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = with_null(array.schema_type);
            RefOr::T(Schema::Array(array))
        }
        other => {
            let null = ObjectBuilder::new().schema_type(Type::Null);
            OneOfBuilder::new().item(other).item(null).into()
        }
    }
}
