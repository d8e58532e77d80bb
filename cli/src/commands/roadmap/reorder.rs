//! `nexus roadmap reorder`: puts the features of a lane in order, in one step.

use crate::{
    args::values::{self, Lane},
    client::Request,
    context::Context,
    error::Error,
};
use clap::Args;
use serde_json::{Value, json};

/// Put features into a lane, in this order
///
/// They are numbered from 1, and the other features of the lane follow in their old order. Either all of them are
/// moved, or none.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus roadmap reorder now billing-api invoices reports")]
pub(crate) struct Reorder {
    /// Lane to put in order
    #[arg(value_enum)]
    lane: Lane,
    /// The features, the first one first
    #[arg(required = true, value_name = "SLUG", value_parser = values::slug)]
    slugs: Vec<String>,
}

impl Reorder {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let request = Request::patch(format!("/projects/{project}/roadmap/reorder"))
            .body(&json!({ self.lane.name(): self.slugs }));
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |_: Value| {
            context.out.line(format_args!("Lane {} begins with {}", self.lane.name(), self.slugs.join(", ")))
        })
    }
}
