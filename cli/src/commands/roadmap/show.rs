//! `nexus roadmap show`: the lanes, and what is in them.

use crate::{
    args::values,
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::{
    feature::{Feature, Status},
    roadmap::Roadmap,
};

/// Show the lanes and their features, in order
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus roadmap
  nexus roadmap show
  nexus roadmap show --all")]
pub(crate) struct Show {
    /// Show finished and cancelled features too
    #[arg(long, short)]
    all: bool,
}

impl Show {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let answer = context.client.send(Request::get(format!("/projects/{project}/roadmap"))).await?;
        context.out.answer(&answer, |roadmap: Roadmap| print(context, &roadmap, self.all))
    }
}

fn print(context: &Context<'_>, roadmap: &Roadmap, all: bool) -> Result<(), Error> {
    let mut is_first = true;
    for lane in &roadmap.lanes {
        let is_open = |feature: &&Feature| all || !matches!(feature.status, Status::Done | Status::Cancelled);
        let features: Vec<&Feature> = lane.features.iter().filter(is_open).collect();
        if features.is_empty() {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            context.out.line("")?;
        }
        context.out.title(values::lane_name(lane.lane))?;
        let mut table = Table::new(&["PRIO", "SLUG", "STATUS", "TITLE"]);
        for feature in features {
            let tone = match feature.status {
                Status::Ready => Tone::Good,
                Status::Active => Tone::Warn,
                Status::Draft => Tone::Plain,
                Status::Done | Status::Cancelled => Tone::Faint,
            };
            table.row([
                (feature.priority.to_string(), Tone::Faint),
                (feature.slug.clone(), Tone::Plain),
                (values::status_name(feature.status).to_owned(), tone),
                (feature.title.clone(), Tone::Plain),
            ]);
        }
        context.out.table(&table)?;
    }
    if is_first {
        context.out.note("Nothing is planned: nexus feature create -s SLUG -t TITLE writes a feature down");
    }
    Ok(())
}
