//! All claims of a project. They are kept on disk with the log index that they reflect: where nothing that changes a
//! holder has happened since, which is a short question, they need not be sent again. Whoever keeps a command waiting writes
//! nothing.

#[cfg(target_os = "linux")]
use crate::config::atomic;
use crate::{client::Request, config::home, context::Context, error::Error};
use nexus_api_types::event::{Events, Fact};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf};
use uuid::Uuid;

/// Events of one answer. If more have happened, it is as quick to ask for the claims.
const PAGE: usize = 200;

/// A claim: what has to be known of it to keep others from writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    /// File, folder or glob.
    pub(super) file_path: String,
    /// The session that holds it.
    pub(super) session_id: Uuid,
    /// Whose session.
    pub(super) engineer_id: Uuid,
}

/// All claims at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The log index that they reflect.
    pub(super) revision: Option<u64>,
    /// Each of them.
    pub(super) claims: Vec<Claim>,
}

/// The claims as they are now.
///
/// # Errors
/// When the cluster says no, or nothing.
pub(super) async fn claims(context: &Context<'_>, project: Uuid) -> Result<Claims, Error> {
    if let Some(kept) = read(project)
        && let Some(revision) = kept.revision
        && is_unchanged(context, project, revision).await?
    {
        return Ok(kept);
    }
    let answer = context.client.send(Request::get(format!("/projects/{project}/claims"))).await?;
    Ok(Claims { revision: answer.revision(), claims: answer.parse()? })
}

/// Whether nobody can hold more or less than at that log index.
async fn is_unchanged(context: &Context<'_>, project: Uuid, revision: u64) -> Result<bool, Error> {
    let asked = Request::get(format!("/projects/{project}/events"))
        .query("since", Some(revision))
        .query("limit", Some(PAGE));
    match context.client.send(asked).await {
        Ok(answer) => {
            let events: Events = answer.parse()?;
            Ok(!events.has_more && !events.items.iter().any(|event| changes_holders(&event.fact)))
        }
        // Events are kept for a while only.
        Err(Error::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps them for the commands that come.
///
/// # Errors
/// When they cannot be written.
#[cfg(target_os = "linux")]
pub(super) fn keep(project: Uuid, claims: &Claims) -> std::io::Result<()> {
    if read(project).as_ref() == Some(claims) {
        return Ok(());
    }
    let file = file_of(project).ok_or(std::io::ErrorKind::NotFound)?;
    if let Some(folder) = file.parent() {
        atomic::make_private_folder(folder)?;
    }
    atomic::write(&file, &serde_json::to_vec(claims)?)
}

fn read(project: Uuid) -> Option<Claims> {
    serde_json::from_slice(&fs::read(file_of(project)?).ok()?).ok()
}

fn file_of(project: Uuid) -> Option<PathBuf> {
    Some(home::folder().ok()?.join("claims").join(format!("{project}.json")))
}

/// Whether somebody may hold more or less than before.
pub(super) const fn changes_holders(fact: &Fact) -> bool {
    match fact {
        Fact::FeatureUpdated { .. }
        | Fact::FeatureDeleted { .. }
        | Fact::FeatureClaimed { .. }
        | Fact::FeatureReleased { .. }
        | Fact::FeatureCompleted { .. }
        | Fact::FilesClaimed { .. }
        | Fact::FilesReleased { .. }
        | Fact::SessionEnded { .. }
        | Fact::SessionClosed { .. }
        | Fact::MemberRemoved { .. } => true,
        Fact::FeatureCreated { .. }
        | Fact::SessionStarted { .. }
        | Fact::LearningAdded { .. }
        | Fact::DecisionAdded { .. }
        | Fact::MemberAdded { .. } => false,
    }
}
