//! Texts with rules of their own, for the description of the API. No value has one of these types.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, SchemaFormat,
        schema::{Schema, Type},
    },
};

/// A path of the repository: a file, a folder or a glob.
pub struct PathPattern;

impl PartialSchema for PathPattern {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("path-pattern".to_owned())))
            .description(Some(
                "A file, a folder (`src/auth/`) or a glob (`*`, `?`, `[…]`, `{a,b}`, `**`), relative to the \
                 repository, at most 1,024 bytes. Absolute paths, a `..` that leaves the root and control \
                 characters are refused.",
            ))
            .min_length(Some(1))
            .max_length(Some(1_024))
            .examples(["src/auth/", "src/**/*.rs"])
            .into()
    }
}

impl ToSchema for PathPattern {}

/// A feature's short name.
pub struct SlugText;

impl PartialSchema for SlugText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z0-9-]+$"))
            .min_length(Some(1))
            .max_length(Some(100))
            .into()
    }
}

impl ToSchema for SlugText {}
