//! `nexus roadmap-ops move`: puts a feature at a place.

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
  nexus roadmap-ops move billing-api --before invoices
  nexus roadmap-ops move billing-api --lane now
  nexus roadmap-ops move billing-api --lane later --priority 1")]
pub(crate) struct Move {
    /// Slug of the feature
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

/// The lane of the one that it comes before, up to that one: the rest follows as it is.
fn order(roadmap: Roadmap, slug: &str, before: &str) -> Result<(&'static str, Vec<String>), Error> {
    if slug == before {
        return Err(Error::misused(format!("{slug} cannot come before itself")));
    }
    for lane in roadmap.lanes {
        let mut slugs: Vec<String> = lane.features.into_iter().map(|feature| feature.slug).collect();
        slugs.retain(|other| other != slug);
        if let Some(at) = slugs.iter().position(|other| other == before) {
            slugs.truncate(at + 1);
            slugs.insert(at, slug.to_owned());
            return Ok((values::lane_name(lane.lane), slugs));
        }
    }
    Err(Error::local(format!("there is no feature {before} on the roadmap"))
        .hint("nexus roadmap show shows it"))
}
