//! `nexus roadmap promote` and `defer`: one lane up or down, to its end.

use crate::{
    args::values::{self, Lane},
    client::Request,
    context::Context,
    error::Error,
};
use clap::Args;
use nexus_api_types::feature::Feature;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Shift {
    /// Slug or id of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
}

impl Shift {
    pub(super) async fn run(self, context: &Context<'_>, to: fn(Lane) -> Option<Lane>) -> Result<(), Error> {
        let project = context.project().await?;
        let features = format!("/projects/{project}/features/{}", self.slug);
        let feature: Feature = context.client.send(Request::get(features)).await?.parse()?;
        let from = Lane::of_wire(feature.lane);
        let Some(lane) = to(from) else {
            return Err(Error::local(format!(
                "{} is in lane {} already: there is none beyond",
                self.slug,
                from.name()
            )));
        };
        let request = Request::patch(format!("/projects/{project}/roadmap/{}/lane", self.slug))
            .body(&json!({ "lane": lane.name() }));
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |feature: Feature| {
            context.out.line(format_args!(
                "{} is in lane {}, priority {}",
                feature.slug,
                lane.name(),
                feature.priority
            ))
        })
    }
}
