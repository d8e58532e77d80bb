//! Features as files: front matter with the fields of the feature, then Markdown with what is to be done.
//!
//! - [`file`]: reads and writes spec files. [`editor`]: a text that a person writes in an editor.
//! - [`active`]: the files in the repository for the agent that works on a feature.

pub(crate) mod active;
pub(crate) mod editor;
mod file;

pub(crate) use file::SpecFile;
