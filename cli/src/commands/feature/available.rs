//! `nexus feature available`: what can be picked now, and what is in the way of the rest.

use crate::{
    args::values,
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::format,
};
use clap::Args;
use nexus_api_types::feature::Available as Item;

/// List features that can be picked now, the best first, and what blocks the others
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature available
  nexus feature available --json")]
pub(crate) struct Available {}

impl Available {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let answer =
            context.client.send(Request::get(format!("/projects/{project}/features/available"))).await?;
        context.out.answer(&answer, |items: Vec<Item>| print(context, &items))
    }
}

fn print(context: &Context<'_>, items: &[Item]) -> Result<(), Error> {
    if items.is_empty() {
        context.out.note("Nothing is ready: nexus feature list -s draft shows what may be made ready");
        return Ok(());
    }
    let mut table = Table::new(&["SLUG", "LANE", "PRIO", "TITLE", "FILES", "STATE"]);
    for Item { feature, blocked_by } in items {
        let state = match (blocked_by, feature.interrupted_at) {
            (Some(by), _) => (format::blocker(by, context.out.clock()), Tone::Warn),
            (None, Some(at)) => (format!("free, interrupted {}", context.out.clock().ago(at)), Tone::Good),
            (None, None) => ("free".to_owned(), Tone::Good),
        };
        table.row([
            (feature.slug.clone(), Tone::Plain),
            (values::lane_name(feature.lane).to_owned(), Tone::Plain),
            (feature.priority.to_string(), Tone::Plain),
            (feature.title.clone(), Tone::Plain),
            (format::list(&feature.touches), Tone::Faint),
            state,
        ]);
    }
    context.out.table(&table)?;
    let free = items.iter().filter(|item| item.blocked_by.is_none()).count();
    context.out.note(match free {
        0 => "All of them are blocked: nexus status shows who works on what".to_owned(),
        free => format!("{free} free. Next: nexus feature pick SLUG, or nexus feature pick --next"),
    });
    Ok(())
}
