//! The bodies of requests. Each is declared once, by [`body!`](declare::body): the declaration gives the struct that a
//! client fills in, the schema that documents it, and the checks by which a server reads it, which report every wrong
//! field at once.
//!
//! - [`declare`]: the declaration. [`fields`]: reads the fields of a JSON object, and collects all problems.
//! - [`field`]: what a field may be. [`texts`], [`numbers`], [`lists`], [`words`] and [`references`]: the fields there
//!   are. Those of one resource alone stand with it.
//! - [`schema`]: how a body is documented. [`paths`]: lists of paths. [`sorted_json`]: objects that are compared.

mod declare;
mod field;
mod fields;
mod lists;
mod numbers;
mod paths;
mod references;
mod schema;
mod sorted_json;
mod texts;
mod words;

pub(crate) use declare::{body, json_name};
pub(crate) use field::Schemas;
pub use field::{BodyField, Problem, TextField};
pub use fields::{Body, Fields, Problems, Unknown};
pub use lists::SomePatterns;
pub(crate) use lists::{list, list_schema};
pub use numbers::{Priority, Seconds, Whole};
pub use references::{EngineerRef, FeatureRef, ProjectRef};
pub(crate) use schema::{Property, schema_of};
pub use texts::{LongText, SomeText, SortedObject, Spec};
pub(crate) use texts::{PRINTABLE, SLUG, VISIBLE, text_schema};
pub(crate) use words::words;
