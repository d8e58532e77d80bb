//! `nexus resume`: where work was left, for who goes on with it.

use super::working;
use crate::{
    answer::Answer,
    args::values,
    client::Request,
    context::Context,
    error::Error,
    saved_work::{SavedWork, saved_work},
};
use clap::Args;
use nexus_api_types::{checkpoint::Checkpoint, feature::Feature, session::ProjectStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Features that are shown: who has more unfinished work names one.
const MOST: usize = 20;

/// Show where your own work and interrupted work was left
///
/// It shows what was saved last together with how the session ended; nexus checkpoints lists all that was saved.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus resume
  nexus resume billing-api --json")]
pub(crate) struct Resume {
    /// Slug of the feature [default: all that you work on, and all that were interrupted]
    #[arg(value_parser = values::slug)]
    slug: Option<String>,
}

impl Resume {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        context.print_lost_claims(project);
        let features = match &self.slug {
            Some(slug) => vec![working::feature(context, project, Some(slug)).await?],
            None => unfinished(context, project).await?,
        };
        let mut found = Vec::new();
        for feature in features.into_iter().take(MOST) {
            let SavedWork { latest, saved, noted } = saved_work(context, project, feature.id).await?;
            found.push(UnfinishedFeature { feature, checkpoint: latest, saved, noted });
        }
        context.out.answer(&Answer::new(json!(found)), |found: Vec<UnfinishedFeature>| {
            if found.is_empty() {
                context
                    .out
                    .note("Nothing was left unfinished: nexus next takes the best feature that is free");
            }
            let mut is_first = true;
            for UnfinishedFeature { feature, checkpoint, saved, noted } in found {
                if !std::mem::take(&mut is_first) {
                    context.out.line("")?;
                }
                let work = SavedWork { latest: checkpoint, saved, noted };
                print(context, &feature, &work)?;
            }
            Ok(())
        })
    }
}

/// A feature, and where its work was left.
#[derive(Serialize, Deserialize)]
struct UnfinishedFeature {
    feature: Feature,
    /// The newest checkpoint, which may say only that the session ended.
    checkpoint: Option<Checkpoint>,
    /// The newest one that a client saved.
    saved: Option<Checkpoint>,
    /// The newest one that a client saved with a note.
    noted: Option<Checkpoint>,
}

async fn unfinished(context: &Context<'_>, project: Uuid) -> Result<Vec<Feature>, Error> {
    let mut features = working::active(context, project).await?;
    let status = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
    features.extend(status.parse::<ProjectStatus>()?.interrupted);
    Ok(features)
}

fn print(context: &Context<'_>, feature: &Feature, work: &SavedWork) -> Result<(), Error> {
    let out = context.out;
    out.title(&format!("{}: {}", feature.slug, feature.title))?;
    match feature.interrupted_at {
        Some(at) => out.field(
            "Interrupted",
            format_args!("{}: nexus feature pick {} goes on", out.clock().ago(at), feature.slug),
        )?,
        None => out.field("Status", values::status_name(feature.status))?,
    }
    if work.saved.is_none() {
        out.field("Saved", "never: nexus save keeps where the work stands")?;
    }
    work.lines(out.clock()).into_iter().try_for_each(|(name, value)| out.field(name, value))
}
