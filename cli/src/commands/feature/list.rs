//! `nexus feature list`: the features of the project, page by page.

use crate::{
    args::values::{self, Lane, Status},
    client::Request,
    commands::{names::Names, pages::pages, sessions::Sessions},
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::format::holder,
};
use clap::Args;
use nexus_api_types::{
    Page,
    feature::{self, Feature},
};

/// Most items of one command: more would be no list that anybody reads.
const MOST: i64 = 10_000;

/// List features, by lane and priority
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature list
  nexus feature list --status active
  nexus feature list -s ready -l now --limit 10
  nexus feature list --json --limit 1000")]
pub(crate) struct List {
    /// List the features in this stage alone
    #[arg(long, short, value_enum)]
    status: Option<Status>,
    /// List the features of this lane alone
    #[arg(long, short, value_enum)]
    lane: Option<Lane>,
    /// Number of features to list at most
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=MOST))]
    limit: u16,
    /// Continue where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
}

impl List {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let request = Request::get(format!("/projects/{project}/features"))
            .query("status", self.status.map(Status::name))
            .query("lane", self.lane.map(Lane::name));
        let answer = pages(context, request, usize::from(self.limit), self.cursor).await?;
        let page: Page<Feature> = answer.parse()?;
        let held = page.items.iter().any(|feature| feature.claimed_by.is_some());
        let (people, sessions) = if held && !context.out.is_json() {
            (Names::of_project(context, project).await?, Sessions::of_project(context, project).await)
        } else {
            (Names::default(), Sessions::default())
        };
        context.out.answer(&answer, |page: Page<Feature>| print(context, &page, &people, &sessions))
    }
}

fn print(
    context: &Context<'_>,
    page: &Page<Feature>,
    people: &Names,
    sessions: &Sessions,
) -> Result<(), Error> {
    if page.items.is_empty() {
        context
            .out
            .note("No such feature: nexus feature create -s SLUG -t TITLE --touches PATH writes one down");
        return Ok(());
    }
    // Who did a feature stands apart from who holds one.
    let are_done =
        |feature: &&Feature| feature.status == feature::Status::Done && feature.claimed_by.is_some();
    let done = page.items.iter().filter(are_done).count();
    let columns = match done {
        0 => &["HOLDER"][..],
        all if all == page.items.len() => &["DONE BY"],
        _ => &["HOLDER", "DONE BY"],
    };
    let mut table = Table::new(&[&["SLUG", "STATUS", "LANE", "PRIO", "TITLE"], columns].concat());
    for feature in &page.items {
        let (status, tone) = status(feature);
        let place = sessions.place(feature.session_id);
        let who = feature.claimed_by.map(|by| holder(&people.name(by), feature.agent.as_deref(), &place));
        let column = if are_done(&feature) { "DONE BY" } else { "HOLDER" };
        let names = columns.iter().map(|name| if *name == column { who.clone() } else { None });
        let mut row = vec![
            (feature.slug.clone(), Tone::Plain),
            (status.to_owned(), tone),
            (values::lane_name(feature.lane).to_owned(), Tone::Plain),
            (feature.priority.to_string(), Tone::Plain),
            (feature.title.clone(), Tone::Plain),
        ];
        row.extend(names.map(|name| (name.unwrap_or_default(), Tone::Faint)));
        table.row(row);
    }
    context.out.table(&table)?;
    if page.has_more {
        context.out.note("There are more: --limit N shows them");
    }
    Ok(())
}

/// The stage for a list, and its colour.
fn status(feature: &Feature) -> (&'static str, Tone) {
    if feature.interrupted_at.is_some() && feature.status == feature::Status::Ready {
        return ("ready, interrupted", Tone::Warn);
    }
    let tone = match feature.status {
        feature::Status::Ready => Tone::Good,
        feature::Status::Active => Tone::Warn,
        feature::Status::Draft => Tone::Plain,
        feature::Status::Done | feature::Status::Cancelled => Tone::Faint,
    };
    (values::status_name(feature.status), tone)
}
