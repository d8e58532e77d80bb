//! `nexus checkpoints`: all that was saved of the work on a feature, newest first.

use super::{
    names::Names,
    pages::pages,
    working::{self, NamedFeature},
};
use crate::{
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
    saved_work,
};
use clap::Args;
use nexus_api_types::{Page, checkpoint::Checkpoint};

/// List all that was saved of the work on a feature, newest first
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus checkpoints
  nexus checkpoints billing-api --limit 5
  nexus checkpoints billing-api --json")]
pub(crate) struct Checkpoints {
    #[command(flatten)]
    feature: NamedFeature,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// Go on where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
}

impl Checkpoints {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let feature = working::feature(context, project, self.feature.slug()).await?;
        let request = Request::get(format!("/projects/{project}/sessions/checkpoints"))
            .query("featureId", Some(feature.id));
        let answer = pages(context, request, usize::from(self.limit), self.cursor).await?;
        let people = if context.out.is_json() {
            Names::default()
        } else {
            Names::of_project(context, project).await?
        };
        context.out.answer(&answer, |page: Page<Checkpoint>| print(context, &page, &people))
    }
}

fn print(context: &Context<'_>, page: &Page<Checkpoint>, people: &Names) -> Result<(), Error> {
    if page.items.is_empty() {
        context.out.note("Nothing was saved yet: nexus save keeps where the work stands");
        return Ok(());
    }
    let mut table = Table::new(&["SAVED", "HOW", "BY", "GIT", "CHANGED", "NOTES"]);
    for checkpoint in &page.items {
        table.row([
            (context.out.clock().ago(checkpoint.created_at), Tone::Plain),
            (saved_work::how(checkpoint).to_owned(), Tone::Plain),
            (people.name(checkpoint.engineer_id), Tone::Plain),
            (saved_work::git(checkpoint).unwrap_or_default(), Tone::Plain),
            (saved_work::changed(checkpoint).unwrap_or_default(), Tone::Plain),
            (checkpoint.notes.clone().unwrap_or_default(), Tone::Plain),
        ]);
    }
    context.out.table(&table)?;
    if page.has_more {
        context.out.note("There are more: --limit N shows them");
    }
    Ok(())
}
