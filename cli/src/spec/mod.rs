//! Features as files: front matter that says what a feature is, then Markdown that says what is to be done.
//!
//! - [`file`]: the form, read and written. [`editor`]: a file that a person fills in.
//! - [`active`]: what is laid out in the repository for whoever works on a feature.

pub(crate) mod active;
pub(crate) mod editor;
mod file;

pub(crate) use file::SpecFile;
