//! `nexus project list`: the projects that one is in.

use crate::{
    client::Request,
    config::link,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::project::Project;

/// List your projects, or all projects if you are an admin
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project list
  nexus project list --json")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::get("/projects")).await?;
        // A broken file is no reason not to list: linking again is what repairs it.
        let linked = link::find().ok().flatten().map(|found| found.link.project_id);
        context.out.answer(&answer, |projects: Vec<Project>| {
            if projects.is_empty() {
                context.out.note("You are in no project: nexus project create -n NAME -s SLUG makes one, or a lead adds you");
                return Ok(());
            }
            let mut table = Table::new(&["SLUG", "NAME", "REPOSITORY", ""]);
            for project in projects {
                let here = if linked == Some(project.id) { "linked here" } else { "" };
                table.row([
                    (project.slug, Tone::Plain),
                    (project.name, Tone::Plain),
                    (project.repo_url.unwrap_or_default(), Tone::Faint),
                    (here.to_owned(), Tone::Good),
                ]);
            }
            context.out.table(&table)
        })
    }
}
