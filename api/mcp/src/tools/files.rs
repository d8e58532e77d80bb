//! The tools for claims: claim files, release them, and show who holds them.

use crate::{
    port::{self, Failure, Port, Request, segment},
    refusal::{self, holder},
};
use nexus_api_types::{
    claim::{self as wire, CheckPaths, ClaimPaths, Mode, Standing},
    feature::Feature,
    session::ProjectStatus,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The paths to claim.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    paths: Vec<String>,
    /// Hold them together with other readers, so that nobody changes them meanwhile
    #[serde(default)]
    shared: bool,
    /// Feature that they belong to; the one that you work on if left out
    feature: Option<String>,
}

/// The paths that were claimed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Claimed {
    yours: Vec<String>,
    until: Option<String>,
}

/// Claims files for the session.
pub(super) async fn claim(port: &dyn Port, wanted: Claim) -> Result<Claimed, Failure> {
    let feature_id = match wanted.feature {
        None => current_feature(port).await?,
        Some(slug) => {
            let path = format!("/features/{}", segment(&slug));
            Some(port::ask::<Feature>(port, Request::get(path)).await?.id)
        }
    };
    let mode = wanted.shared.then_some(Mode::Shared);
    let body = ClaimPaths { paths: wanted.paths, mode, feature_id };
    let claimed: wire::Claimed = port::ask(port, Request::post("/claims").body(&body)).await?;
    Ok(Claimed {
        until: claimed.claims.iter().map(|claim| claim.expires_at).min().map(refusal::time),
        yours: claimed.claims.into_iter().map(|claim| claim.file_path).collect(),
    })
}

/// The feature that the agent works on; `None` if it works on several, since it did not say which: then the claims
/// belong to no feature.
async fn current_feature(port: &dyn Port) -> Result<Option<Uuid>, Failure> {
    let session = match port.session().await? {
        Some(session) => Some(session),
        // An agent that acts as its engineer is found by the claims that it holds.
        None => {
            let mine: Vec<wire::Claim> = port::ask(port, Request::get("/claims/mine")).await?;
            mine.first().map(|claim| claim.session_id)
        }
    };
    let status: ProjectStatus = port::ask(port, Request::get("/status")).await?;
    let own = |feature: &&Feature| session.is_some() && feature.session_id == session;
    let own: Vec<Uuid> = status.active_features.iter().filter(own).map(|feature| feature.id).collect();
    Ok(match own[..] {
        [only] => Some(only),
        _ => None,
    })
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
    /// free, yours or held
    standing: &'static str,
    claims: Vec<HolderClaim>,
}

#[derive(Serialize, JsonSchema)]
struct HolderClaim {
    claimed_as: String,
    holder: String,
    feature: Option<String>,
    since: String,
    until: String,
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
        holder: holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder),
        feature: claim.feature_id.and_then(slug),
        since: refusal::time(claim.claimed_at),
        until: refusal::time(claim.expires_at),
        claimed_as: claim.file_path,
    };
    let of_path = |path: wire::CheckedPath| PathHolder {
        standing: match path.standing {
            Standing::Free => "free",
            Standing::Mine => "yours",
            Standing::Held => "held",
        },
        path: path.path,
        claims: path.claims.into_iter().map(of_claim).collect(),
    };
    Ok(PathHolders { paths: checked.paths.into_iter().map(of_path).collect() })
}
