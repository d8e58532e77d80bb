//! `nexus decision`: records what was decided, and why.

use super::{knowledge, working};
use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::knowledge::{AddDecision, Decision as Recorded};
use uuid::Uuid;

/// Characters of a title; a longer text is the decision itself.
const MAX_TITLE: usize = 200;

/// Record a decision, its reasons and its alternatives
///
/// It belongs to the feature that you work on, if there is exactly one, or with --project-wide to the whole project.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus decision \"Money is cents\" \"Amounts are whole cents\" -r \"Floats lie\"
  nexus decision \"Use SQLite\" -r \"One file, no server\" -a \"PostgreSQL: too much to run\"
  nexus decision \"No ORM\" --project-wide")]
pub(crate) struct Decision {
    /// Title of the decision, one line
    title: String,
    /// The decision itself; - is stdin [default: the title]
    decision: Option<String>,
    /// Reasons for the decision
    #[arg(long, short)]
    rationale: Option<String>,
    /// Alternatives that were rejected
    #[arg(long, short)]
    alternatives: Option<String>,
    /// Slug of the feature [default: the one that you work on]
    #[arg(long, short, value_name = "SLUG", value_parser = values::slug)]
    feature: Option<String>,
    /// Record it for the whole project, not for a feature
    #[arg(long, conflicts_with = "feature")]
    project_wide: bool,
    /// Decision that this one replaces
    #[arg(long, value_name = "ID", value_parser = values::id)]
    supersedes: Option<Uuid>,
}

impl Decision {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let decision = self.decision.as_deref().map(values::text).transpose()?;
        let project = context.project().await?;
        let feature_slug = match self.feature {
            Some(slug) => Some(slug),
            None if self.project_wide => None,
            None => {
                let mut own = working::active(context, project).await?;
                if own.len() == 1 { own.pop().map(|feature| feature.slug) } else { None }
            }
        };
        let body = AddDecision {
            decision: decision.unwrap_or_else(|| self.title.clone()),
            title: self.title.chars().take(MAX_TITLE).collect(),
            rationale: self.rationale,
            alternatives: self.alternatives,
            feature_slug,
            supersedes: self.supersedes,
        };
        let answer =
            context.client.send(Request::post(format!("/projects/{project}/decisions")).body(&body)).await?;
        context.out.answer(&answer, |made: Recorded| {
            let about = made.feature_slug.map_or("the project".to_owned(), |slug| format!("feature {slug}"));
            context.out.line(format_args!("Decided for {about}: {}", made.title))
        })?;
        // The feature may have been named by its id.
        if let Some(slug) = answer.parse::<Recorded>()?.feature_slug {
            knowledge::lay_out_decisions(context, project, &slug).await;
        }
        Ok(())
    }
}
