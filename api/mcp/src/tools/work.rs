//! The tools for features: show who works on what and what is free, pick, finish and release.

use crate::{
    port::{self, Failure, Port, Request, segment},
    refusal::{self, holder},
};
use nexus_api_types::{
    Page,
    claim::{self, ReleasePaths},
    feature as wire,
    feature::Feature,
    holder::HolderSession,
    knowledge::Learning,
    session::ProjectStatus,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Items of one list that an agent is shown. Only the number of further ones is shown.
const MAX_ITEMS: usize = 50;

/// Characters of a spec that are shown at once; the resource has all of it.
const MAX_SPEC_CHARS: usize = 20_000;

/// The arguments of a tool without any.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoArguments {}

/// The status of a project: the agents at work, and the paths that they hold.
#[derive(Serialize, JsonSchema)]
pub(super) struct Status {
    active: Vec<Active>,
    held: Vec<Held>,
    interrupted: Vec<FeatureName>,
    yours: Vec<String>,
    /// Entries left out
    more: usize,
}

#[derive(Serialize, JsonSchema)]
struct Active {
    feature: String,
    title: String,
    holder: String,
    since: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Held {
    path: String,
    holder: String,
    until: String,
}

#[derive(Serialize, JsonSchema)]
struct FeatureName {
    feature: String,
    title: String,
}

/// Shows who works on what.
pub(super) async fn status(port: &dyn Port, _: NoArguments) -> Result<Status, Failure> {
    let status: ProjectStatus = port::ask(port, Request::get("/status")).await?;
    let mine: Vec<claim::Claim> = port::ask(port, Request::get("/claims/mine")).await?;
    let mut names: BTreeMap<Uuid, &str> =
        status.sessions.iter().map(|of| (of.engineer.id, of.engineer.name.as_str())).collect();
    names.extend(status.claims.iter().map(|claim| (claim.engineer_id, claim.engineer_name.as_str())));
    let places: BTreeMap<Uuid, HolderSession> =
        status.sessions.iter().map(|of| (of.session.id, of.session.holder())).collect();
    // A long list of claims is cut; the total tells how many there are.
    let claims = status.claims.len().max(usize::try_from(status.claims_total).unwrap_or(usize::MAX));
    let lists = [status.active_features.len(), claims, status.interrupted.len(), mine.len()];
    let active = |feature: &Feature| Active {
        feature: feature.slug.clone(),
        title: feature.title.clone(),
        holder: holder(
            feature.claimed_by.and_then(|by| names.get(&by).copied()).unwrap_or("somebody"),
            feature.agent.as_deref(),
            &feature.session_id.and_then(|id| places.get(&id)).cloned().unwrap_or_default(),
        ),
        since: feature.claimed_at.map(refusal::time),
    };
    let held = |claim: &claim::Claim| Held {
        path: claim.file_path.clone(),
        holder: holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder),
        until: refusal::time(claim.expires_at),
    };
    let named =
        |feature: &Feature| FeatureName { feature: feature.slug.clone(), title: feature.title.clone() };
    Ok(Status {
        active: status.active_features.iter().take(MAX_ITEMS).map(active).collect(),
        held: status.claims.iter().take(MAX_ITEMS).map(held).collect(),
        interrupted: status.interrupted.iter().take(MAX_ITEMS).map(named).collect(),
        yours: mine.into_iter().take(MAX_ITEMS).map(|claim| claim.file_path).collect(),
        more: lists.iter().map(|length| length.saturating_sub(MAX_ITEMS)).sum(),
    })
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Lane {
    Now,
    Next,
    Later,
    Icebox,
}

impl Lane {
    const fn wire(self) -> wire::Lane {
        match self {
            Self::Now => wire::Lane::Now,
            Self::Next => wire::Lane::Next,
            Self::Later => wire::Lane::Later,
            Self::Icebox => wire::Lane::Icebox,
        }
    }
}

/// Limits a list of features to one lane.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LaneFilter {
    /// List the features of this lane alone
    lane: Option<Lane>,
}

/// The features that can be picked, and those that are blocked.
#[derive(Serialize, JsonSchema)]
pub(super) struct Available {
    free: Vec<Free>,
    blocked: Vec<Blocked>,
    /// Entries left out
    more: usize,
}

#[derive(Serialize, JsonSchema)]
struct Free {
    feature: String,
    title: String,
    lane: String,
    touches: Vec<String>,
    was_interrupted: bool,
}

#[derive(Serialize, JsonSchema)]
struct Blocked {
    feature: String,
    because: String,
}

fn lane_name(lane: wire::Lane) -> String {
    serde_json::to_value(lane).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

/// Lists the features that can be picked, and those that are blocked.
pub(super) async fn available(port: &dyn Port, which: LaneFilter) -> Result<Available, Failure> {
    let features: Vec<wire::Available> = port::ask(port, Request::get("/features/available")).await?;
    let lane = which.lane.map(Lane::wire);
    let of_lane = features
        .into_iter()
        .filter(|one| lane.is_none_or(|lane| one.feature.lane == lane))
        .collect::<Vec<_>>();
    let (blocked, free): (Vec<_>, Vec<_>) = of_lane.into_iter().partition(|one| one.blocked_by.is_some());
    let more = free.len().saturating_sub(MAX_ITEMS) + blocked.len().saturating_sub(MAX_ITEMS);
    Ok(Available {
        free: free
            .into_iter()
            .take(MAX_ITEMS)
            .map(|one| Free {
                lane: lane_name(one.feature.lane),
                was_interrupted: one.feature.interrupted_at.is_some(),
                feature: one.feature.slug,
                title: one.feature.title,
                touches: one.feature.touches.into_iter().take(MAX_ITEMS).collect(),
            })
            .collect(),
        blocked: blocked
            .into_iter()
            .take(MAX_ITEMS)
            .map(|one| Blocked {
                feature: one.feature.slug,
                because: one.blocked_by.as_ref().map(refusal::because).unwrap_or_default(),
            })
            .collect(),
        more,
    })
}

/// The feature to pick.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pick {
    /// Slug; the best free feature if left out
    feature: Option<String>,
    /// Lanes to pick from when no feature is named
    #[serde(default)]
    lanes: Vec<Lane>,
}

/// The feature that was picked.
#[derive(Serialize, JsonSchema)]
pub(super) struct Picked {
    feature: String,
    title: String,
    spec: String,
    /// Files that are yours alone now
    yours: Vec<String>,
    /// Files that nobody else changes meanwhile
    shared: Vec<String>,
    fence: Option<u64>,
    /// Learnings of others, newest first
    learnings: Vec<String>,
}

/// Learnings that are returned with a picked feature, at most.
const MAX_LEARNINGS: usize = 10;

/// Picks a feature.
pub(super) async fn pick(port: &dyn Port, wanted: Pick) -> Result<Picked, Failure> {
    let request = match &wanted.feature {
        Some(slug) => Request::post(format!("/features/{}/pick", segment(slug))),
        None => {
            let lanes: Vec<_> = wanted.lanes.iter().map(|lane| lane.wire()).collect();
            let lanes = (!lanes.is_empty()).then_some(lanes);
            Request::post("/features/pick-next").body(&wire::PickNext { lanes })
        }
    };
    let picked: wire::Picked = port::ask(port, request).await?;
    let feature = picked.feature;
    let learnings = Request::get(format!("/features/{}/learnings", segment(&feature.slug)));
    // The pick has succeeded even if this fails: the agent can read the resource instead.
    let learnings = port::ask::<Page<Learning>>(port, learnings.limit(MAX_LEARNINGS)).await;
    let learnings = learnings.map(|page| page.items).unwrap_or_default();
    let paths = |mode: claim::Mode| {
        let claims = picked.claims.iter().filter(|claim| claim.mode == mode);
        claims.map(|claim| claim.file_path.clone()).collect()
    };
    let spec = match feature.spec.char_indices().nth(MAX_SPEC_CHARS) {
        None => feature.spec,
        Some((end, _)) => {
            format!("{}…\n(all of it: nexus://features/{}/spec)", &feature.spec[..end], feature.slug)
        }
    };
    Ok(Picked {
        yours: paths(claim::Mode::Exclusive),
        shared: paths(claim::Mode::Shared),
        feature: feature.slug,
        title: feature.title,
        spec,
        fence: feature.fence,
        learnings: learnings.into_iter().map(|learning| learning.content).collect(),
    })
}

/// The feature or the files to release.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    /// The feature, with all of its files
    feature: Option<String>,
    /// Or single files, as they were claimed
    #[serde(default)]
    paths: Vec<String>,
}

/// The feature or the files that were released.
#[derive(Serialize, JsonSchema)]
pub(super) struct Released {
    feature: Option<String>,
    paths: Vec<String>,
}

/// Releases a feature, or single files.
pub(super) async fn release(port: &dyn Port, what: Release) -> Result<Released, Failure> {
    match (what.feature, what.paths) {
        (Some(slug), paths) if paths.is_empty() => {
            let path = format!("/features/{}/release", segment(&slug));
            let feature: Feature = port::ask(port, Request::post(path)).await?;
            Ok(Released { paths: feature.touches, feature: Some(feature.slug) })
        }
        (None, paths) if !paths.is_empty() => {
            let request = Request::delete("/claims").body(&ReleasePaths { paths: Some(paths.clone()) });
            let released: claim::Released = port::ask(port, request).await?;
            if released.released.is_empty() {
                return Err(Failure::Other(format!(
                    "none of {} was claimed by you on its own. Next: files of a feature that you picked are given back with the feature; why says whose they are",
                    paths.join(", ")
                )));
            }
            Ok(Released { feature: None, paths: released.released })
        }
        _ => Err(Failure::Other("say either feature or paths, not both and not neither".to_owned())),
    }
}

/// The feature to finish.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    feature: String,
}

/// The feature that was finished.
#[derive(Serialize, JsonSchema)]
pub(super) struct Finished {
    feature: String,
    status: String,
}

/// Finishes a feature.
pub(super) async fn done(port: &dyn Port, what: Done) -> Result<Finished, Failure> {
    let path = format!("/features/{}/done", segment(&what.feature));
    let feature: Feature = port::ask(port, Request::post(path)).await?;
    Ok(Finished { feature: feature.slug, status: "done".to_owned() })
}
