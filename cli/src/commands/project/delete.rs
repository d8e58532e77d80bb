//! `nexus project delete`: deletes a project with everything in it.

use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;

/// Delete a project with everything in it
///
/// Features, specs, learnings, decisions, checkpoints, claims and events are lost, and there is no way back. All work
/// in it ends at once. Only its leads and admins may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project delete billing --yes")]
pub(crate) struct Delete {
    /// Slug or id of the project
    #[arg(value_name = "PROJECT", value_parser = values::slug)]
    project: String,
    /// Confirm the deletion
    #[arg(long)]
    yes: bool,
}

impl Delete {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project_named(&self.project).await?;
        let (slug, yes) = (&project.slug, self.yes);
        if !yes {
            return Err(Error::local(format!(
                "this deletes project {slug} ({}) with everything in it, for everybody; say --yes if that is meant",
                project.name
            )));
        }
        let answer = context.client.send(Request::delete(format!("/projects/{}", project.id))).await?;
        context.out.answer(&answer, |_: Value| context.out.line(format_args!("Deleted project {slug}")))
    }
}
