//! Fields that refer to something by more than its id. The server finds out what is meant.

use super::{
    field::{BodyField, Problem, TextField, nullable, problem},
    texts::{UUID, uuid_schema},
};
use nexus_domain::short_text::Slug;
use serde_json::Value;
use utoipa::openapi::{RefOr, schema::Schema};
use uuid::Uuid;

/// A project by its id or slug.
pub struct ProjectRef(pub String);

/// A feature by its id or slug.
pub struct FeatureRef(pub String);

/// An engineer by id, e-mail address or name.
pub struct EngineerRef(pub String);

/// Implements [`BodyField`] for references by id or slug. Clients of this workspace send ids. The schema is that of an
/// id: what else is taken depends on what there is.
macro_rules! by_id_or_slug {
    ($($type:ident: $problem:literal,)+) => {$(
        impl BodyField for $type {
            type Sent = Uuid;

            fn parse(value: Value) -> Result<Self, Vec<Problem>> {
                let Value::String(text) = value else { return problem("must be a string") };
                match text.parse::<Uuid>().is_ok() || Slug::parse(&text).is_ok() {
                    true => Ok(Self(text)),
                    false => problem($problem),
                }
            }

            fn schema() -> RefOr<Schema> {
                uuid_schema().description(Some("The slug is taken, too.")).into()
            }

            fn optional_schema() -> RefOr<Schema> {
                nullable(uuid_schema().pattern(Some(UUID)).description(Some("The slug is taken, too.")).into())
            }
        }
    )+};
}

by_id_or_slug! {
    ProjectRef: "must be the id (a UUID) or the slug of a project",
    FeatureRef: "must be the id (a UUID) or the slug of a feature",
}

/// Most characters of an e-mail address, which is the longest reference.
const MAX_ENGINEER_REF: usize = 255;

impl TextField for EngineerRef {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().count() > MAX_ENGINEER_REF {
            return Err("must be the id (a UUID), the e-mail address or the name of an engineer".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    fn text_schema() -> RefOr<Schema> {
        uuid_schema().description(Some("An e-mail address or a name is taken, too.")).into()
    }
}
