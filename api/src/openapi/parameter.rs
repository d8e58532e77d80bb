//! The parameters of a route in its path, query and headers. Those of all routes of a kind are added here and not
//! repeated by each.

use super::kind::Kind;
use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Required, SchemaFormat,
    path::{ParameterBuilder, ParameterIn},
    schema::{Schema, Type},
};

/// A parameter in the query.
pub(crate) struct Parameter {
    name: &'static str,
    about: &'static str,
    schema: RefOr<Schema>,
    required: Required,
}

impl Parameter {
    /// A whole number in a range.
    pub(crate) fn number(name: &'static str, about: &'static str, least: u64, most: u64) -> Self {
        // Far below where the document's numbers lose precision.
        #[allow(clippy::cast_precision_loss)]
        let (least, most) = (least as f64, most as f64);
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(least))
            .maximum(Some(most));
        Self { name, about, schema: schema.into(), required: Required::False }
    }

    /// One of some words.
    pub(crate) fn word(name: &'static str, about: &'static str, words: &[&str]) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()));
        Self { name, about, schema: schema.into(), required: Required::False }
    }

    /// The cursor of a page.
    pub(super) fn cursor() -> Self {
        let format = SchemaFormat::Custom("cursor".to_owned());
        let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
        let about = "The opaque `nextCursor` of the previous page. The first page is returned if it is empty or absent.";
        Self { name: "cursor", about, schema: schema.into(), required: Required::False }
    }

    /// An existing feature, by its id or slug.
    pub(crate) fn feature(name: &'static str, about: &'static str) -> Self {
        let format = SchemaFormat::Custom("feature".to_owned());
        let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
        Self { name, about, schema: schema.into(), required: Required::False }
    }

    /// A feature, by its slug or id.
    pub(crate) fn slug(name: &'static str, about: &'static str) -> Self {
        Self { name, about, schema: slug(), required: Required::False }
    }

    /// Makes the parameter required.
    pub(crate) fn required(mut self) -> Self {
        self.required = Required::True;
        self
    }

    /// The parameter in the form of OpenAPI.
    pub(super) fn finish(self) -> ParameterBuilder {
        let Self { name, about, schema, required } = self;
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .description(Some(about))
            .required(required)
            .schema(Some(schema))
    }
}

/// The parameters in the path: the names in its braces.
pub(super) fn of_path(path: &str) -> impl Iterator<Item = ParameterBuilder> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(placeholder(name)))
    })
}

/// The parameters of all routes of a kind.
pub(super) fn of_kind(kind: Kind, derives_a_key: bool) -> Vec<ParameterBuilder> {
    let header = |name: &str, about: &str, schema: RefOr<Schema>| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(about))
            .required(Required::False)
            .schema(Some(schema))
    };
    let session = || {
        header("X-Nexus-Session", "The session that acts; the engineer's default one when absent.", uuid())
    };
    let idempotency = || {
        let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(255));
        if derives_a_key {
            let schema = schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
            let about = "The same key and body give the first answer again. It is a random UUID, or 32 or more \
                         random hexadecimal digits, since whoever guesses it is shown the API key.";
            return header("Idempotency-Key", about, schema.into());
        }
        let schema = schema.min_length(Some(1)).pattern(Some("^[!-~]([ -~]*[!-~])?$"));
        header("Idempotency-Key", "The same key and body give the first answer again.", schema.into())
    };
    let min_revision = || {
        let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        header(
            "X-Nexus-Min-Revision",
            "The node waits until it has applied this log index, for at most 5 s.",
            schema.into(),
        )
    };
    let consistency = || {
        let schema =
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["linearizable", "stale"]));
        ParameterBuilder::new()
            .name("consistency")
            .parameter_in(ParameterIn::Query)
            .description(Some("`stale` answers from this node's own state, without a round trip."))
            .required(Required::False)
            .schema(Some(schema))
    };
    match kind {
        Kind::Bare | Kind::Local => Vec::new(),
        Kind::Open => vec![idempotency()],
        Kind::Read => vec![session(), min_revision(), consistency()],
        Kind::Write => vec![session(), idempotency()],
    }
}

fn placeholder(name: &str) -> RefOr<Schema> {
    match name {
        // Ids have this form, too.
        "slug" => slug(),
        "project" => id().description(Some("The slug is taken, too.")).into(),
        "engineer" => id().description(Some("An e-mail address or a name is taken, too.")).into(),
        "node" => ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into(),
        _ => uuid(),
    }
}

fn uuid() -> RefOr<Schema> {
    id().into()
}

fn id() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}

fn slug() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9-]+$"))
        .min_length(Some(1))
        .max_length(Some(100))
        .into()
}
