//! `nexus feature delete`: throws a draft away, or a feature that is over.

use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;

/// Delete a draft, or a finished feature
///
/// Without --finished, only a draft is deleted, since a feature that was ready once has a history; nexus feature cancel
/// gives such a feature up. With --finished, a done or cancelled feature is deleted with its spec, learnings and
/// checkpoints; decisions stay. Its author and leads may do it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature delete billing-api
  nexus feature delete billing-api --finished")]
pub(crate) struct Delete {
    /// Slug of the feature
    #[arg(value_parser = values::slug)]
    slug: String,
    /// Delete a done or cancelled feature for good
    #[arg(long)]
    finished: bool,
}

impl Delete {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let list = if self.finished { "finished" } else { "features" };
        let request = Request::delete(format!("/projects/{project}/{list}/{}", self.slug));
        let answer = context.client.send(request).await?;
        context
            .out
            .answer(&answer, |_: Value| context.out.line(format_args!("Deleted feature {}", self.slug)))
    }
}
