//! All claims of a project, from the cluster. They are requested each time and stored only in memory, since the
//! confined command could have written any file on the disk.

use crate::{client::Request, context::Context, error::Error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The fields of a claim that are needed to protect its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    /// File, folder or glob.
    pub(super) file_path: String,
    /// The session that holds it.
    pub(super) session_id: Uuid,
    /// The engineer of that session.
    pub(super) engineer_id: Uuid,
    /// The session's agent; none for the engineer's default session.
    #[serde(default)]
    pub(super) agent: Option<String>,
}

/// All claims at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    /// The log index that they reflect.
    pub(super) revision: Option<u64>,
    /// Each of them.
    pub(super) claims: Vec<Claim>,
}

/// The claims as they are now.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn claims(context: &Context<'_>, project: Uuid) -> Result<Claims, Error> {
    let request = Request::get(format!("/projects/{project}/claims"));
    let answer = context.client.send(request.keep_text()).await?;
    Ok(Claims { revision: answer.revision(), claims: answer.parse_text()? })
}
