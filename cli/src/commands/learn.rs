//! `nexus learn`: keeps something that the next one should know.

use super::{knowledge, working};
use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::{
    Code,
    knowledge::{AddLearning, Learning},
};
use uuid::Uuid;

/// Record something that the next agent to work on this should know
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus learn \"The migration has to run before the server starts\"
  nexus learn billing-api \"Stripe sends the same event twice\"
  git log -1 --format=%B | nexus learn -")]
pub(crate) struct Learn {
    /// The learning, in quotes; - is stdin. A slug before it names the feature
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Slug of the feature [default: the one that you work on]
    #[arg(long, short, value_name = "SLUG", value_parser = values::slug)]
    feature: Option<String>,
}

/// Whether a word can be the slug of a feature.
fn is_slug(word: &str) -> bool {
    word != "-" && values::slug(word).is_ok()
}

/// Whether there is a feature of this name.
///
/// # Errors
/// When the cluster refuses it for another reason, or no server answers.
async fn is_feature(context: &Context<'_>, project: Uuid, slug: &str) -> Result<bool, Error> {
    match working::feature(context, project, Some(slug)).await {
        Ok(_) => Ok(true),
        Err(Error::Refused(refused)) if refused.body.code == Code::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Learn {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let (named, text) = match (self.feature, self.text.as_slice()) {
            (None, [slug, text]) if is_slug(slug) => {
                if !is_feature(context, project, slug).await? {
                    return Err(Error::local(format!("no feature {slug}")).hint(
                        "a text stands in quotes: nexus learn \"…\"; nexus feature list shows the features there are",
                    ));
                }
                (Some(slug.clone()), text.clone())
            }
            (None, [word, ..]) if is_slug(word) && is_feature(context, project, word).await? => {
                return Err(Error::misused(format!("{word} is a feature, and not clearly part of the text"))
                    .hint(format!(
                        "nexus learn {word} \"…\" keeps it with {word}; a text stands in quotes"
                    )));
            }
            (named, words) => (named, words.join(" ")),
        };
        let slug = working::feature(context, project, named.as_deref()).await?.slug;
        let content = values::text(&text)?;
        let request = Request::post(format!("/projects/{project}/features/{slug}/learnings"))
            .body(&AddLearning { content });
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |_: Learning| context.out.line(format_args!("Kept with {slug}")))?;
        knowledge::lay_out_learnings(context, project, &slug).await;
        context.out.note("nexus search WORD finds it");
        Ok(())
    }
}
