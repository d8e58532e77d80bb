//! `nexus resume`: where work was left, for who goes on with it.

use super::working;
use crate::{answer::Answer, args::values, client::Request, context::Context, error::Error, text::format};
use clap::Args;
use nexus_api_types::{
    checkpoint::{Checkpoint, CheckpointType},
    feature::Feature,
    session::ProjectStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Features that are shown: who has more unfinished work names one.
const MOST: usize = 20;

/// Show where your own work and interrupted work was left
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
            let latest = Request::get(format!("/projects/{project}/sessions/checkpoints/latest"))
                .query("featureId", Some(feature.id));
            let checkpoint = context.client.send(latest).await?.parse()?;
            found.push(UnfinishedFeature { feature, checkpoint });
        }
        context.out.answer(&Answer::new(json!(found)), |found: Vec<UnfinishedFeature>| {
            if found.is_empty() {
                context
                    .out
                    .note("Nothing was left unfinished: nexus next takes the best feature that is free");
            }
            let mut is_first = true;
            for UnfinishedFeature { feature, checkpoint } in &found {
                if !std::mem::take(&mut is_first) {
                    context.out.line("")?;
                }
                print(context, feature, checkpoint.as_ref())?;
            }
            Ok(())
        })
    }
}

/// A feature, and where its work was left.
#[derive(Serialize, Deserialize)]
struct UnfinishedFeature {
    feature: Feature,
    checkpoint: Option<Checkpoint>,
}

async fn unfinished(context: &Context<'_>, project: Uuid) -> Result<Vec<Feature>, Error> {
    let mut features = working::active(context, project).await?;
    let status = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
    features.extend(status.parse::<ProjectStatus>()?.interrupted);
    Ok(features)
}

fn print(context: &Context<'_>, feature: &Feature, checkpoint: Option<&Checkpoint>) -> Result<(), Error> {
    let out = context.out;
    out.title(&format!("{}: {}", feature.slug, feature.title))?;
    match feature.interrupted_at {
        Some(at) => out.field(
            "Interrupted",
            format_args!("{}: nexus feature pick {} goes on", out.clock().ago(at), feature.slug),
        )?,
        None => out.field("Status", values::status_name(feature.status))?,
    }
    let Some(checkpoint) = checkpoint else {
        return out.field("Saved", "never: nexus save keeps where the work stands");
    };
    let how = match checkpoint.kind {
        CheckpointType::Manual => "by hand",
        CheckpointType::AutoPeriodic => "by itself",
        CheckpointType::CrashRecovery => "when the session was lost",
    };
    out.field("Saved", format_args!("{}, {how}", out.clock().ago(checkpoint.created_at)))?;
    let text = |name: &str| checkpoint.context.get(name).and_then(Value::as_str);
    if let (Some(branch), Some(commit)) = (text("gitBranch"), text("gitCommit")) {
        let short: String = commit.chars().take(10).collect();
        out.field("Git", format_args!("{branch} at {short}"))?;
    }
    let changed = checkpoint
        .context
        .get("changedFiles")
        .and_then(Value::as_array)
        .map(|paths| paths.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    if let Some(changed) = changed {
        out.field("Changed", format::list(&changed))?;
    }
    if !checkpoint.active_claims.is_empty() {
        out.field("Held", format::list(&checkpoint.active_claims))?;
    }
    match &checkpoint.notes {
        Some(notes) => out.field("Notes", notes),
        None => Ok(()),
    }
}
