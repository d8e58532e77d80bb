//! `nexus save`: a checkpoint of the work, with the state of the repository.

use super::working::{self, NamedFeature};
use crate::{client::Request, context::Context, error::Error, repository};
use clap::Args;
use nexus_api_types::{
    checkpoint::{Checkpoint, CheckpointType, SaveCheckpoint},
    session::{Session, StartSession},
};

/// Save a checkpoint of your work: branch, commit, uncommitted files and a note
///
/// Whoever continues the work finds it with nexus resume.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus save
  nexus save -n \"Tests pass; the migration is still missing\"
  nexus save billing-api --notes \"Half way\"")]
pub(crate) struct Save {
    /// Notes for whoever continues
    #[arg(long, short, value_name = "TEXT")]
    notes: Option<String>,
    #[command(flatten)]
    feature: NamedFeature,
}

impl Save {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let session = context.previous_session(project).await?;
        let feature = working::feature(context, project, self.feature.slug()).await?;
        let session_id = match session {
            Some(id) => id,
            None => {
                let start =
                    Request::post(format!("/projects/{project}/sessions")).body(&StartSession::default());
                context.client.send(start).await?.parse::<Session>()?.id
            }
        };
        let body = SaveCheckpoint {
            session_id,
            feature_id: feature.id,
            context: Some(repository::git_state()),
            kind: Some(CheckpointType::Manual),
            notes: self.notes,
        };
        let answer = context
            .client
            .send(Request::post(format!("/projects/{project}/sessions/checkpoints")).body(&body))
            .await?;
        context.out.answer(&answer, |saved: Checkpoint| {
            let at = |name: &str| {
                saved.context.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
            };
            let commit: String = at("gitCommit").chars().take(10).collect();
            let commit_suffix =
                if commit.is_empty() { String::new() } else { format!(" at {} {commit}", at("gitBranch")) };
            context.out.line(format_args!("Saved {}{commit_suffix}", feature.slug))
        })
    }
}
