//! File claims on the wire.

use crate::{
    Moment,
    body::{FeatureRef, SomePatterns, TextField, Unknown, VISIBLE, Whole, body, text_schema, words},
    holder::HolderSession,
};
use nexus_domain::{
    State,
    entity::{self, ClaimKey, ClaimMode, Session},
    pattern::Pattern,
    refusal,
    short_text::Label,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};
use uuid::Uuid;

/// How a path is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Held by one session alone.
    #[default]
    Exclusive,
    /// Held together with other readers.
    Shared,
}

words!(ClaimMode = Mode, "must be exclusive or shared": Exclusive, Shared);

/// A path that a session holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The file, folder or glob.
    pub file_path: String,
    /// The project of the path.
    pub project_id: Uuid,
    /// The engineer whose session holds it.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    pub engineer_name: String,
    /// The feature it is held for; none for a claim made while working.
    pub feature_id: Option<Uuid>,
    /// The slug of that feature.
    #[serde(default)]
    pub feature_slug: Option<String>,
    /// When it was claimed.
    pub claimed_at: Moment,
    /// When it is released if the session shows no further sign of life: an estimate.
    pub expires_at: Moment,
    /// The session that holds it.
    pub session_id: Uuid,
    /// The agent of the session.
    pub agent: Option<String>,
    /// Whether it is held alone or shared.
    pub mode: Mode,
    /// The log index of the entry that acquired it.
    pub fence: u64,
    /// The place and the lease of the session.
    #[serde(flatten)]
    pub holder: HolderSession,
}

impl Claim {
    /// A claim of a session.
    pub fn of(state: &State, session: &Session, key: &ClaimKey, claim: &entity::Claim) -> Self {
        let slug = key.feature.and_then(|feature| state.feature(key.project, feature));
        Self {
            file_path: key.path.to_string(),
            project_id: key.project.0,
            engineer_id: session.engineer.0,
            engineer_name: state.holder_name(&session.holder()),
            feature_id: key.feature.map(|feature| feature.0),
            feature_slug: slug.map(|feature| feature.slug.to_string()),
            claimed_at: claim.claimed_at.into(),
            expires_at: state.claims_expire_at(session).into(),
            session_id: session.id.0,
            agent: session.agent.as_ref().map(ToString::to_string),
            mode: claim.mode.into(),
            fence: claim.fence.0,
            holder: (&session.note()).into(),
        }
    }

    /// The claims that a pick took. They are derived from the feature in the answer, so that a retry returns the same
    /// ones.
    pub fn all_of(state: &State, session: &Session, feature: &entity::Feature) -> Vec<Self> {
        let entity::Status::Active { claimed_at, fence, .. } = &feature.status else { return Vec::new() };
        let exclusive = feature.touches.iter().map(|path| (path, ClaimMode::Exclusive));
        let touched: BTreeSet<&Pattern> = feature.touches.iter().collect();
        let shared = feature.reads.iter().filter(|path| !touched.contains(path));
        exclusive
            .chain(shared.map(|path| (path, ClaimMode::Shared)))
            .map(|(path, mode)| {
                let key = ClaimKey {
                    project: feature.project,
                    session: session.id,
                    feature: Some(feature.id),
                    path: path.clone(),
                };
                let claim = entity::Claim { mode, fence: *fence, claimed_at: *claimed_at };
                // A retry may come after the feature was deleted.
                let feature_slug = Some(feature.slug.to_string());
                Self { feature_slug, ..Self::of(state, session, &key, &claim) }
            })
            .collect()
    }
}

/// The holder of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedBy {
    /// The engineer whose session holds the path.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    pub engineer_name: String,
    /// The session that holds the path.
    pub session_id: Uuid,
    /// The agent of the session.
    pub agent: Option<String>,
    /// The feature that the path is held for.
    pub feature_id: Option<Uuid>,
    /// The slug of that feature.
    pub feature_slug: Option<String>,
    /// When the path was claimed.
    pub claimed_at: Moment,
    /// When it is released if the session shows no further sign of life: an estimate.
    pub expires_at: Moment,
    /// The place and the lease of the session.
    #[serde(flatten)]
    pub holder: HolderSession,
}

/// One path that somebody else holds: an item of `details.conflicts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The path as its holder claimed it.
    pub file_path: String,
    /// The path that was wanted.
    pub wanted_path: String,
    /// The holder of the path.
    pub claimed_by: ClaimedBy,
    /// True when the paths may not collide after all: their wildcards are too complex to decide that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

impl From<&refusal::Conflict> for Conflict {
    fn from(conflict: &refusal::Conflict) -> Self {
        let holder = &conflict.by.holder;
        Self {
            file_path: conflict.path.to_string(),
            wanted_path: conflict.wanted.to_string(),
            assumed: conflict.is_assumed,
            claimed_by: ClaimedBy {
                engineer_id: holder.engineer.0,
                engineer_name: conflict.by.engineer_name.to_string(),
                session_id: holder.session.0,
                agent: holder.agent.as_ref().map(ToString::to_string),
                feature_id: conflict.feature.as_ref().map(|(id, _)| id.0),
                feature_slug: conflict.feature.as_ref().map(|(_, slug)| slug.to_string()),
                claimed_at: conflict.claimed_at.into(),
                expires_at: conflict.expires_at.into(),
                holder: conflict.by.session.as_deref().map(Into::into).unwrap_or_default(),
            },
        }
    }
}

/// Answer of `POST …/claims/refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// Paths that are held, with a renewed lease.
    pub refreshed: Vec<String>,
    /// Paths of the request that are not held.
    pub not_owned: Vec<String>,
}

body! {
    /// Body of `POST …/claims`.
    pub struct ClaimPaths => CheckedClaimPaths, Unknown::Refused {
        /// Files, folders or globs: all of them or none.
        paths: SomePatterns,
        /// How to hold them; `exclusive` when absent.
        mode: Option<ClaimMode>,
        /// An active feature of the same session, which they are held for.
        feature_id "featureId": Option<FeatureRef>,
    }
}

/// Answer of `POST …/claims`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claimed {
    /// The claims on the requested paths, including those that were held before.
    pub claims: Vec<Claim>,
}

body! {
    /// Body of `POST …/claims/refresh`.
    pub struct RefreshClaims => CheckedRefreshClaims, Unknown::Ignored {
        /// The paths to look for; all that are held when absent.
        paths: Option<Arc<[Pattern]>>,
    }
}

body! {
    /// Body of `DELETE …/claims`.
    pub struct ReleasePaths => CheckedReleasePaths, Unknown::Refused {
        /// The paths as they were claimed; all that were claimed while working when absent.
        paths: Option<Arc<[Pattern]>>,
    }
}

/// Why paths are taken away.
pub struct ForceReason(pub Label);

impl TextField for ForceReason {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("must say why: it is kept in the record".to_owned()),
            text => Label::from_text(text).map(Self),
        }
    }

    fn text_schema() -> RefOr<Schema> {
        text_schema(Some(1), 2048, VISIBLE)
    }
}

body! {
    /// Body of `POST …/claims/force-release`.
    pub struct ForceRelease => CheckedForceRelease, Unknown::Refused {
        /// The paths as they were claimed.
        paths: SomePatterns,
        /// Why they are taken away, for the record.
        reason: ForceReason,
    }
}

/// Answer of `DELETE …/claims` and of `POST …/claims/force-release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The released paths; a retry may list the first of them only.
    pub released: Vec<String>,
    /// The number of released paths.
    pub count: u64,
}

/// Largest fence: far above any log index, and representable by every client.
const MAX_FENCE: u64 = i64::MAX as u64;

body! {
    /// Body of `POST …/claims/check`.
    pub struct CheckPaths => CheckedCheckPaths, Unknown::Refused {
        /// The paths that the caller is about to change.
        paths: SomePatterns,
        /// The fence under which the caller changes them. A newer holder of one of them is the error `STALE_FENCE`.
        fence: Option<Whole<0, MAX_FENCE>>,
    }
}

body! {
    /// Body of `POST …/claims/history`.
    pub struct ClaimHistory => CheckedClaimHistory, Unknown::Refused {
        /// The paths that events are searched for.
        paths: SomePatterns,
        /// The last revision that the caller has seen; 0 and absent begin with the oldest that is kept.
        since: Option<Whole<0, MAX_FENCE>>,
    }
}

/// A session claimed or released something that collides with a path of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimChange {
    /// The path in the request.
    pub path: String,
    /// The file, folder or glob that was claimed or released.
    pub file_path: String,
    /// True if the session held it from then on, false if it did not any more.
    pub held: bool,
    /// The session whose claim it is.
    pub session_id: Uuid,
    /// The agent of the session.
    pub agent: Option<String>,
    /// The engineer whose session it is.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    pub engineer_name: String,
    /// The feature that it was claimed for; none for a claim made while working.
    pub feature_id: Option<Uuid>,
    /// The log index of the entry that acquired it; none for a release.
    pub fence: Option<u64>,
    /// The log index of the change.
    pub revision: u64,
    /// When it happened.
    pub at: Moment,
}

/// Answer of `POST …/claims/history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimChanges {
    /// The changes in order.
    pub items: Vec<ClaimChange>,
    /// The `since` of the next request.
    pub next_since: u64,
    /// Whether more events can be searched now.
    pub has_more: bool,
    /// When the oldest event happened that is kept; only in the answer to `since` 0, and none if there is none.
    pub kept_since: Option<Moment>,
}

/// The state of a path as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Held by the session that asks; without one, by a session of the engineer who asks.
    Mine,
    /// Held by nobody.
    Free,
    /// Held by somebody else.
    Held,
}

/// A path of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedPath {
    /// The path of the request, normalised.
    pub path: String,
    /// Whether the caller holds it, somebody else does, or nobody.
    pub standing: Standing,
    /// The claims that collide with it: at most 100 in one answer.
    pub claims: Vec<Claim>,
}

/// Answer of `POST …/claims/check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Whether nobody else holds any of the paths.
    pub ok: bool,
    /// Each path, in the order of the question.
    pub paths: Vec<CheckedPath>,
}
