//! `nexus roadmap move`: puts a feature at a place.

use crate::{
    args::values::{self, Lane},
    client::Request,
    context::Context,
    error::Error,
};
use clap::Args;
use nexus_api_types::{feature::Feature, roadmap::Roadmap};
use serde_json::{Value, json};

/// Move a feature before another one, or to a lane
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus roadmap move billing-api --before invoices
  nexus roadmap move billing-api --lane now
  nexus roadmap move billing-api --lane later --priority 1")]
pub(crate) struct Move {
    /// Slug or id of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
    /// Move it right before this feature, into the same lane
    #[arg(long, value_name = "SLUG", value_parser = values::slug, required_unless_present = "lane", conflicts_with = "lane")]
    before: Option<String>,
    /// Move it to this lane
    #[arg(long, short, value_enum)]
    lane: Option<Lane>,
    /// Position in the lane, 1 being the first [default: the end]
    #[arg(long, short, requires = "lane", value_parser = clap::value_parser!(u32).range(1..))]
    priority: Option<u32>,
}

impl Move {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let Some(before) = &self.before else {
            let lane = self.lane.map(Lane::name).unwrap_or_default();
            let request = Request::patch(format!("/projects/{project}/roadmap/{}/lane", self.slug))
                .body(&json!({ "lane": lane, "priority": self.priority }));
            let answer = context.client.send(request).await?;
            return context.out.answer(&answer, |feature: Feature| {
                context
                    .out
                    .line(format_args!("{} is in lane {lane}, priority {}", feature.slug, feature.priority))
            });
        };
        let roadmap = context.client.send(Request::get(format!("/projects/{project}/roadmap"))).await?;
        let (lane, order) = order(roadmap.parse()?, &self.slug, before)?;
        let request =
            Request::patch(format!("/projects/{project}/roadmap/reorder")).body(&json!({ lane: order }));
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("{} comes before {before} in lane {lane}", self.slug))
        })
    }
}

/// The lane of the one that it comes before, up to that one: the rest follows as it is. Either is named by slug or id.
fn order(roadmap: Roadmap, named: &str, before: &str) -> Result<(&'static str, Vec<String>), Error> {
    let all = || roadmap.lanes.iter().flat_map(|lane| &lane.features);
    let found = |name: &str| {
        let by_slug = all().find(|feature| feature.slug == name);
        by_slug.or_else(|| all().find(|feature| feature.id.to_string() == name)).ok_or_else(|| {
            Error::local(format!("there is no feature {name} on the roadmap")).hint("nexus roadmap shows it")
        })
    };
    let (moved, before) = (found(named)?, found(before)?);
    if moved.slug == before.slug {
        return Err(Error::misused(format!("{} cannot come before itself", moved.slug)));
    }
    let lane = roadmap.lanes.iter().find(|lane| lane.features.iter().any(|feature| feature.id == before.id));
    let lane = lane.expect("a feature was found in one of the lanes");
    let slugs = lane.features.iter().map(|feature| &feature.slug).filter(|slug| **slug != moved.slug);
    let mut order: Vec<String> = slugs.take_while(|slug| **slug != before.slug).cloned().collect();
    order.extend([moved.slug.clone(), before.slug.clone()]);
    Ok((values::lane_name(lane.lane), order))
}
