//! How a body is documented: the schema of its object, from those of its fields.

use super::{field::BodyField, fields::Unknown};
use utoipa::{
    Number,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{AdditionalProperties, Schema},
    },
};

/// One field in the schema of a body.
pub(crate) struct Property {
    name: &'static str,
    is_required: bool,
    schema: RefOr<Schema>,
}

impl Property {
    /// A field with the lines of its description.
    pub(crate) fn of<T: BodyField>(name: &'static str, about: &[&str]) -> Self {
        let mut schema = T::schema();
        describe(&mut schema, &text(about));
        Self { name, is_required: T::REQUIRED, schema }
    }

    /// The same field with a documented range.
    pub(crate) fn within(mut self, least: impl Into<Number>, most: impl Into<Number>) -> Self {
        if let RefOr::T(Schema::Object(number)) = &mut self.schema {
            (number.minimum, number.maximum) = (Some(least.into()), Some(most.into()));
        }
        self
    }
}

/// The schema of a body, with the lines of its description.
pub(crate) fn schema_of(about: &[&str], unknown: Unknown, properties: Vec<Property>) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().description(Some(text(about)));
    for Property { name, is_required, schema } in properties {
        object = object.property(name, schema);
        if is_required {
            object = object.required(name);
        }
    }
    if matches!(unknown, Unknown::Refused) {
        object = object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    }
    object.into()
}

/// The lines of a doc comment as one text.
fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

/// Adds a description to a schema. One that may be `null` describes the other choice.
fn describe(schema: &mut RefOr<Schema>, about: &str) {
    match schema {
        RefOr::Ref(reference) => about.clone_into(&mut reference.description),
        RefOr::T(Schema::Object(object)) => object.description = Some(about.to_owned()),
        RefOr::T(Schema::Array(array)) => array.description = Some(about.to_owned()),
        RefOr::T(Schema::OneOf(choices)) => {
            if let Some(choice) = choices.items.first_mut() {
                describe(choice, about);
            }
        }
        RefOr::T(_) => {}
    }
}
