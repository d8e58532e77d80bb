//! `nexus learn`: keeps something that the next one should know.

use super::{knowledge, working};
use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::knowledge::{AddLearning, Learning};

/// Record something that the next agent to work on this should know
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus learn \"The migration has to run before the server starts\"
  nexus learn -f billing-api \"Stripe sends the same event twice\"
  git log -1 --format=%B | nexus learn -")]
pub(crate) struct Learn {
    /// The learning; - is stdin
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Slug of the feature [default: the one that you work on]
    #[arg(long, short, value_name = "SLUG", value_parser = values::slug)]
    feature: Option<String>,
}

impl Learn {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let content = values::text(&self.text.join(" "))?;
        let project = context.project().await?;
        let slug = working::feature(context, project, self.feature.as_deref()).await?.slug;
        let request = Request::post(format!("/projects/{project}/features/{slug}/learnings"))
            .body(&AddLearning { content });
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |_: Learning| context.out.line(format_args!("Kept with {slug}")))?;
        knowledge::lay_out_learnings(context, project, &slug).await;
        context.out.note("nexus search WORD finds it");
        Ok(())
    }
}
