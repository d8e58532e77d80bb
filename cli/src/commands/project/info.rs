//! `nexus project info`: a project and who is in it.

use super::members;
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::project::{Case, ProjectDetail};

/// Show the project of this repository, and its members
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project info
  nexus project info --project billing")]
pub(crate) struct Info {}

impl Info {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let answer = context.client.send(Request::get(format!("/projects/{project}"))).await?;
        context.out.answer(&answer, |detail: ProjectDetail| print(context, detail))
    }
}

fn print(context: &Context<'_>, detail: ProjectDetail) -> Result<(), Error> {
    let out = context.out;
    let project = detail.project;
    out.title(&format!("{}: {}", project.slug, project.name))?;
    out.field("Id", project.id)?;
    if let Some(url) = project.repo_url {
        out.field("Repository", url)?;
    }
    if let Some(path) = project.repo_path {
        out.field("Path", path)?;
    }
    out.field("Branch", project.default_branch)?;
    if project.case == Case::Insensitive {
        out.field("Case", "ignored: names that differ in case alone are one file")?;
    }
    out.field("Made", out.clock().short(project.created_at))?;
    out.line("")?;
    out.table(&members::table(detail.members))
}
