//! `nexus project unlink`: takes the link off this repository. The project stays.

use crate::{answer::Answer, config::link, context::Context, error::Error};
use clap::Args;
use serde_json::{Value, json};

/// Remove this repository's link to its project
///
/// Removes .nexus.json; the project stays as it is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project unlink")]
pub(crate) struct Unlink {}

impl Unlink {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let found = link::find()?.ok_or_else(|| Error::local("this repository is linked to no project"))?;
        let path = found.path.display();
        link::remove(&found)?;
        let answer = Answer::new(
            json!({ "unlinked": true, "projectId": found.link.project_id, "path": path.to_string() }),
        );
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("Unlinked from {}: removed {path}", found.link.name()))
        })
    }
}
