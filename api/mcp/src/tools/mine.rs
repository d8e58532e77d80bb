//! The features and the claims of the session that acts, which REST calls mine. Those of another session of the same
//! engineer are not among them.

use crate::{
    port::{self, Failure, Port, Request},
    refusal,
};
use nexus_api_types::{claim as wire, feature::Feature, session::ProjectStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a path is held.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Exclusive,
    Shared,
}

impl Mode {
    /// The mode on the wire.
    pub(super) const fn wire(self) -> wire::Mode {
        match self {
            Self::Exclusive => wire::Mode::Exclusive,
            Self::Shared => wire::Mode::Shared,
        }
    }
}

impl From<wire::Mode> for Mode {
    fn from(mode: wire::Mode) -> Self {
        match mode {
            wire::Mode::Exclusive => Self::Exclusive,
            wire::Mode::Shared => Self::Shared,
        }
    }
}

/// A claim of the session that acts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnClaim {
    file_path: String,
    mode: Mode,
    expires_at: String,
}

impl From<wire::Claim> for OwnClaim {
    fn from(claim: wire::Claim) -> Self {
        Self {
            file_path: claim.file_path,
            mode: claim.mode.into(),
            expires_at: refusal::time(claim.expires_at),
        }
    }
}

/// The claims of the session that acts.
pub(super) async fn claims(port: &dyn Port) -> Result<Vec<wire::Claim>, Failure> {
    port::ask(port, Request::get("/claims/mine")).await
}

/// The features that the session that acts works on, without their specs.
pub(super) async fn features(port: &dyn Port) -> Result<Vec<Feature>, Failure> {
    let Some(session) = port.session().await? else { return Ok(Vec::new()) };
    let status: ProjectStatus = port::ask(port, Request::get("/status")).await?;
    let is_own = |feature: &Feature| feature.session_id == Some(session);
    Ok(status.active_features.into_iter().filter(is_own).collect())
}
