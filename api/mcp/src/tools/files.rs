//! The tools for claims: claim files, release them, and show who holds them.

use super::mine::{self, Mode, OwnClaim};
use crate::{
    port::{self, Failure, Port, Request},
    refusal::{self, holder},
};
use nexus_api_types::{
    claim::{self as wire, CheckPaths, ClaimPaths},
    session::ProjectStatus,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The paths to claim.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Claim {
    paths: Vec<String>,
    /// exclusive if left out; shared holds them together with other readers, so that nobody changes them meanwhile
    mode: Option<Mode>,
    /// Feature that they belong to; the one that you work on if left out
    feature_slug: Option<String>,
}

/// The paths that were claimed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Claimed {
    /// They are yours now
    claims: Vec<OwnClaim>,
}

/// Claims files for the session.
pub(super) async fn claim(port: &dyn Port, wanted: Claim) -> Result<Claimed, Failure> {
    let feature_id = match wanted.feature_slug {
        // With several features it is not clear which one is meant: the claims get none.
        None => match &*mine::features(port).await? {
            [only] => Some(only.id),
            _ => None,
        },
        Some(slug) => Some(port::feature(port, &slug).await?.id),
    };
    let body = ClaimPaths { paths: wanted.paths, mode: wanted.mode.map(Mode::wire), feature_id };
    let claimed: wire::Claimed = port::ask(port, Request::post("/claims").body(&body)).await?;
    Ok(Claimed { claims: claimed.claims.into_iter().map(OwnClaim::from).collect() })
}

/// The paths to look up.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyPaths {
    paths: Vec<String>,
}

/// The paths with their holders.
#[derive(Serialize, JsonSchema)]
pub(super) struct PathHolders {
    paths: Vec<PathHolder>,
}

#[derive(Serialize, JsonSchema)]
struct PathHolder {
    path: String,
    standing: Standing,
    claims: Vec<HolderClaim>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Mine,
    Free,
    Held,
}

impl From<wire::Standing> for Standing {
    fn from(standing: wire::Standing) -> Self {
        match standing {
            wire::Standing::Mine => Self::Mine,
            wire::Standing::Free => Self::Free,
            wire::Standing::Held => Self::Held,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HolderClaim {
    file_path: String,
    mode: Mode,
    held_by: String,
    feature_slug: Option<String>,
    claimed_at: String,
    expires_at: String,
}

/// Shows who holds the paths.
pub(super) async fn why(port: &dyn Port, which: WhyPaths) -> Result<PathHolders, Failure> {
    let body = CheckPaths { paths: which.paths, fence: None };
    let checked: wire::Checked =
        port::ask(port, Request::post("/claims/check").body(&body).with_session_if_any()).await?;
    let is_for_work =
        checked.paths.iter().flat_map(|path| &path.claims).any(|claim| claim.feature_id.is_some());
    let features = if is_for_work {
        port::ask::<ProjectStatus>(port, Request::get("/status")).await?.active_features
    } else {
        Vec::new()
    };
    let slug =
        |id: Uuid| features.iter().find(|feature| feature.id == id).map(|feature| feature.slug.clone());
    let of_claim = |claim: wire::Claim| HolderClaim {
        held_by: holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder),
        feature_slug: claim.feature_id.and_then(slug),
        claimed_at: refusal::time(claim.claimed_at),
        expires_at: refusal::time(claim.expires_at),
        mode: claim.mode.into(),
        file_path: claim.file_path,
    };
    let of_path = |path: wire::CheckedPath| PathHolder {
        standing: path.standing.into(),
        path: path.path,
        claims: path.claims.into_iter().map(of_claim).collect(),
    };
    Ok(PathHolders { paths: checked.paths.into_iter().map(of_path).collect() })
}
