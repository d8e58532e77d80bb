//! `nexus feature delete`: throws a draft away.

use crate::{args::words, client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;

/// Throw a draft away
///
/// Only drafts: what was ready once has a history. nexus feature cancel gives such a feature up.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature delete billing-api")]
pub(crate) struct Delete {
    /// The feature
    #[arg(value_parser = words::slug)]
    slug: String,
}

impl Delete {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let request = Request::delete(format!("/projects/{project}/features/{}", self.slug));
        let answer = context.client.send(request).await?;
        context
            .out
            .answer(&answer, |_: Value| context.out.line(format_args!("Deleted feature {}", self.slug)))
    }
}
