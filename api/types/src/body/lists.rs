//! Fields that are lists of texts.

use super::{
    field::{BodyField, Problem, Schemas, problem},
    paths::Paths,
};
use crate::text::{PathPattern, SlugText};
use nexus_domain::{
    decide::{MAX_DEPENDENCIES, MAX_PATTERNS},
    pattern::Pattern,
    short_text::Slug,
};
use serde_json::Value;
use std::{
    fmt::{self, Display, Formatter},
    sync::Arc,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{ArrayBuilder, Schema},
    },
};

/// The beginning of an invalid text, quoted, so that the client can find it among those that it sent.
struct Excerpt<'a>(&'a str);

impl Display for Excerpt<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        const MAX_CHARS: usize = 80;
        match self.0.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => write!(to, "{:?}…", &self.0[..end]),
            None => write!(to, "{:?}", self.0),
        }
    }
}

/// Checks a list of at most `most` texts.
pub(crate) fn list<T, E: Display>(
    value: Value,
    most: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Vec<Problem>> {
    /// Problems that are reported of one list; the first ones are enough to see the mistake.
    const MAX_PROBLEMS: usize = 10;
    let Value::Array(items) = value else { return problem("must be a list of strings") };
    if items.len() > most {
        return problem(format!("has {} items, at most {most} are allowed", items.len()));
    }
    let mut parsed = Vec::with_capacity(items.len());
    let mut problems = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let result = match item {
            Value::String(text) => parse(text).map_err(|problem| format!("{}: {problem}", Excerpt(text))),
            _ => Err("must be a string".to_owned()),
        };
        match result {
            Ok(value) => parsed.push(value),
            Err(problem) if problems.len() < MAX_PROBLEMS => {
                problems.push(Problem::from(format!("[{at}] {problem}")));
            }
            Err(_) => {}
        }
    }
    if problems.is_empty() { Ok(parsed) } else { Err(problems) }
}

/// The schema of a list with items of a named schema.
pub(crate) fn list_schema<T: ToSchema>(most: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(Ref::from_schema_name(T::name())).max_items(Some(most))
}

fn patterns(value: Value) -> Result<Arc<[Pattern]>, Vec<Problem>> {
    let paths = Paths::default();
    list(value, MAX_PATTERNS, |text| paths.read(text)).map(Into::into)
}

/// A list of paths; empty when absent.
impl BodyField for Arc<[Pattern]> {
    type Sent = Vec<String>;

    const REQUIRED: bool = false;

    fn absent() -> Result<Self, Vec<Problem>> {
        Ok(Arc::default())
    }

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        patterns(value)
    }

    fn schema() -> RefOr<Schema> {
        list_schema::<PathPattern>(MAX_PATTERNS).into()
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((PathPattern::name().into_owned(), PathPattern::schema()));
    }

    fn is_left_out(sent: &Self::Sent) -> bool {
        sent.is_empty()
    }
}

/// A list of paths with at least one.
pub struct SomePatterns(pub Arc<[Pattern]>);

impl BodyField for SomePatterns {
    type Sent = Vec<String>;

    fn is_missing(value: &Value) -> bool {
        value.is_null() || value.as_array().is_some_and(Vec::is_empty)
    }

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        if Self::is_missing(&value) {
            return problem("must not be empty");
        }
        patterns(value).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        list_schema::<PathPattern>(MAX_PATTERNS).min_items(Some(1)).into()
    }

    fn schemas(schemas: &mut Schemas) {
        <Arc<[Pattern]>>::schemas(schemas);
    }
}

/// A list of slugs; empty when absent.
impl BodyField for Arc<[Slug]> {
    type Sent = Vec<String>;

    const REQUIRED: bool = false;

    fn absent() -> Result<Self, Vec<Problem>> {
        Ok(Arc::default())
    }

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        list(value, MAX_DEPENDENCIES, Slug::parse).map(Into::into)
    }

    fn schema() -> RefOr<Schema> {
        list_schema::<SlugText>(MAX_DEPENDENCIES).into()
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((SlugText::name().into_owned(), SlugText::schema()));
    }

    fn is_left_out(sent: &Self::Sent) -> bool {
        sent.is_empty()
    }
}
