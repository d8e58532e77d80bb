//! The tools for features: show who works on what and what is free, pick, finish and release.

use super::mine::{self, OwnClaim};
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
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    active_features: Vec<Active>,
    /// All that is held, by you or by others
    claims: Vec<Held>,
    interrupted: Vec<FeatureName>,
    /// The claims of your session
    mine: Vec<OwnClaim>,
    /// Entries left out
    more: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Active {
    slug: String,
    title: String,
    held_by: String,
    claimed_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Held {
    file_path: String,
    held_by: String,
    expires_at: String,
}

#[derive(Serialize, JsonSchema)]
struct FeatureName {
    slug: String,
    title: String,
}

/// Shows who works on what.
pub(super) async fn status(port: &dyn Port, _: NoArguments) -> Result<Status, Failure> {
    let status: ProjectStatus = port::ask(port, Request::get("/status")).await?;
    let mine = mine::claims(port).await?;
    let mut names: BTreeMap<Uuid, &str> =
        status.sessions.iter().map(|of| (of.engineer.id, of.engineer.name.as_str())).collect();
    names.extend(status.claims.iter().map(|claim| (claim.engineer_id, claim.engineer_name.as_str())));
    let places: BTreeMap<Uuid, HolderSession> =
        status.sessions.iter().map(|of| (of.session.id, of.session.holder())).collect();
    // A long list of claims is cut; the total tells how many there are.
    let claims = status.claims.len().max(usize::try_from(status.claims_total).unwrap_or(usize::MAX));
    let lists = [status.active_features.len(), claims, status.interrupted.len(), mine.len()];
    let active = |feature: &Feature| Active {
        slug: feature.slug.clone(),
        title: feature.title.clone(),
        held_by: holder(
            feature.claimed_by.and_then(|by| names.get(&by).copied()).unwrap_or("somebody"),
            feature.agent.as_deref(),
            &feature.session_id.and_then(|id| places.get(&id)).cloned().unwrap_or_default(),
        ),
        claimed_at: feature.claimed_at.map(refusal::time),
    };
    let held = |claim: &claim::Claim| Held {
        file_path: claim.file_path.clone(),
        held_by: holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder),
        expires_at: refusal::time(claim.expires_at),
    };
    let named = |feature: &Feature| FeatureName { slug: feature.slug.clone(), title: feature.title.clone() };
    Ok(Status {
        active_features: status.active_features.iter().take(MAX_ITEMS).map(active).collect(),
        claims: status.claims.iter().take(MAX_ITEMS).map(held).collect(),
        interrupted: status.interrupted.iter().take(MAX_ITEMS).map(named).collect(),
        mine: mine.into_iter().take(MAX_ITEMS).map(OwnClaim::from).collect(),
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
#[serde(rename_all = "camelCase")]
struct Free {
    slug: String,
    title: String,
    lane: String,
    touches: Vec<String>,
    interrupted_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Blocked {
    feature_slug: String,
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
                interrupted_at: one.feature.interrupted_at.map(refusal::time),
                slug: one.feature.slug,
                title: one.feature.title,
                touches: one.feature.touches.into_iter().take(MAX_ITEMS).collect(),
            })
            .collect(),
        blocked: blocked
            .into_iter()
            .take(MAX_ITEMS)
            .map(|one| Blocked {
                feature_slug: one.feature.slug,
                because: one.blocked_by.as_ref().map(refusal::because).unwrap_or_default(),
            })
            .collect(),
        more,
    })
}

/// The feature to pick.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Pick {
    /// The best free feature if left out
    feature_slug: Option<String>,
    /// Lanes to pick from when no feature is named
    #[serde(default)]
    lanes: Vec<Lane>,
    /// Take one more beside the feature that you work on
    #[serde(default)]
    also: bool,
}

/// The feature that was picked.
#[derive(Serialize, JsonSchema)]
pub(super) struct Picked {
    /// Says so if you worked on it already
    message: Option<String>,
    slug: String,
    title: String,
    spec: String,
    /// They are yours now
    claims: Vec<OwnClaim>,
    fence: Option<u64>,
    /// Learnings of others, newest first
    learnings: Vec<Learnt>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Learnt {
    content: String,
    engineer_name: String,
    created_at: String,
}

impl From<Learning> for Learnt {
    fn from(learning: Learning) -> Self {
        Self {
            content: learning.content,
            engineer_name: learning.engineer_name,
            created_at: refusal::time(learning.created_at),
        }
    }
}

/// Learnings that are returned with a picked feature, at most.
const MAX_LEARNINGS: usize = 10;

/// Picks a feature. One that the session works on already is returned as it is. Another one beside it is picked only on
/// request: most often, an agent has forgotten the first one.
pub(super) async fn pick(port: &dyn Port, wanted: Pick) -> Result<Picked, Failure> {
    let own = mine::features(port).await?;
    let is_wanted =
        |feature: &&Feature| wanted.feature_slug.as_ref().is_some_and(|name| is_named(feature, name));
    if let Some(feature) = own.iter().find(is_wanted) {
        let message = format!("you already work on {}: nothing has changed", feature.slug);
        return Ok(Picked {
            message: Some(message),
            ..picked(port, picked_before(port, feature).await?).await
        });
    }
    if !own.is_empty() && !wanted.also {
        return Err(Failure::Other(already_at_work(&own)));
    }
    let request = match &wanted.feature_slug {
        Some(slug) => Request::post(format!("/features/{}/pick", segment(slug))),
        None => {
            let lanes: Vec<_> = wanted.lanes.iter().map(|lane| lane.wire()).collect();
            let lanes = (!lanes.is_empty()).then_some(lanes);
            Request::post("/features/pick-next").body(&wire::PickNext { lanes })
        }
    };
    Ok(picked(port, port::ask(port, request).await?).await)
}

/// Whether a slug or an id names this feature.
fn is_named(feature: &Feature, name: &str) -> bool {
    feature.slug == name || name.parse() == Ok(feature.id)
}

/// The answer to the pick of a feature that the session works on, with all that it holds for it.
async fn picked_before(port: &dyn Port, feature: &Feature) -> Result<wire::Picked, Failure> {
    let feature = port::feature(port, &feature.slug).await?;
    let mut claims = mine::claims(port).await?;
    claims.retain(|claim| claim.feature_id == Some(feature.id));
    Ok(wire::Picked { feature, claims })
}

/// The text for an agent that picks a feature while it works on others.
fn already_at_work(own: &[Feature]) -> String {
    let slugs: Vec<&str> = own.iter().map(|feature| feature.slug.as_str()).collect();
    format!(
        "you already work on {}, so nothing was picked\nNext: finish with done or give back with release first; or pick with also: true, which takes another feature beside it",
        refusal::listed(&slugs)
    )
}

/// Describes a feature to the agent that works on it now, with what others learnt.
async fn picked(port: &dyn Port, picked: wire::Picked) -> Picked {
    let feature = picked.feature;
    let learnings = Request::get(format!("/features/{}/learnings", segment(&feature.slug)));
    // The pick has succeeded even if this fails: the agent can read the resource instead.
    let learnings = port::ask::<Page<Learning>>(port, learnings.limit(MAX_LEARNINGS)).await;
    let learnings = learnings.map(|page| page.items).unwrap_or_default();
    let spec = match feature.spec.char_indices().nth(MAX_SPEC_CHARS) {
        None => feature.spec,
        Some((end, _)) => {
            format!("{}…\n(all of it: nexus://features/{}/spec)", &feature.spec[..end], feature.slug)
        }
    };
    Picked {
        message: None,
        slug: feature.slug,
        title: feature.title,
        spec,
        claims: picked.claims.into_iter().map(OwnClaim::from).collect(),
        fence: feature.fence,
        learnings: learnings.into_iter().map(Learnt::from).collect(),
    }
}

/// The feature or the files to release.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Release {
    /// The feature, with all of its files
    feature_slug: Option<String>,
    /// Or single files, as they were claimed
    #[serde(default)]
    paths: Vec<String>,
}

/// The feature or the files that were released.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Released {
    /// The feature; null when single files were released
    feature_slug: Option<String>,
    /// The files, which are free now
    released: Vec<String>,
}

/// Releases a feature, or single files.
pub(super) async fn release(port: &dyn Port, what: Release) -> Result<Released, Failure> {
    match (what.feature_slug, what.paths) {
        (Some(slug), paths) if paths.is_empty() => {
            let path = format!("/features/{}/release", segment(&slug));
            let feature: Feature = port::ask(port, Request::post(path)).await?;
            Ok(Released { released: feature.touches, feature_slug: Some(feature.slug) })
        }
        (None, paths) if !paths.is_empty() => {
            let request = Request::delete("/claims").body(&ReleasePaths { paths: Some(paths.clone()) });
            let released: claim::Released = port::ask(port, request).await?;
            if released.released.is_empty() {
                return Err(Failure::Other(not_released(port, &paths).await?));
            }
            Ok(Released { feature_slug: None, released: released.released })
        }
        _ => Err(Failure::Other(
            "nothing was released: release takes either featureSlug or paths\nNext: call it again with featureSlug, to give back a feature with all of its files, or with paths, for single files that you claimed"
                .to_owned(),
        )),
    }
}

/// Why none of these paths could be released.
async fn not_released(port: &dyn Port, paths: &[String]) -> Result<String, Failure> {
    let claims = mine::claims(port).await?;
    let Some(claim) = claims.iter().find(|claim| paths.contains(&claim.file_path)) else {
        return Ok(format!(
            "your session holds none of {}\nNext: status lists under mine what it holds, as it was claimed; why says who holds a file",
            refusal::listed(paths)
        ));
    };
    let features = mine::features(port).await?;
    let slug = features.iter().find(|feature| Some(feature.id) == claim.feature_id);
    let slug = slug.map_or("your feature", |feature| feature.slug.as_str());
    Ok(format!(
        "{} is one of the files of {slug}, which are given back together\nNext: done finishes {slug}; release with featureSlug gives it back unfinished",
        claim.file_path
    ))
}

/// The feature to finish.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Done {
    feature_slug: String,
}

/// The feature that was finished.
#[derive(Serialize, JsonSchema)]
pub(super) struct Finished {
    slug: String,
    status: String,
}

/// Finishes a feature.
pub(super) async fn done(port: &dyn Port, what: Done) -> Result<Finished, Failure> {
    let path = format!("/features/{}/done", segment(&what.feature_slug));
    let feature: Feature = port::ask(port, Request::post(path)).await?;
    Ok(Finished { slug: feature.slug, status: "done".to_owned() })
}
