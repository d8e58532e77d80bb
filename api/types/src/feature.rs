//! Features on the wire.

use crate::{
    Moment,
    body::{BodyField, Priority, Problem, Schemas, Spec, TextField, Unknown, body, list, list_schema, words},
    claim::{Claim, Conflict},
    holder::HolderSession,
};
use nexus_domain::{
    WallTime, entity,
    pattern::Pattern,
    refusal,
    short_text::{Slug, Title},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};
use uuid::Uuid;

/// How soon a feature is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Wanted before all others.
    Now,
    /// Wanted after that.
    #[default]
    Next,
    /// Wanted some day.
    Later,
    /// Not planned at the moment.
    Icebox,
}

words!(entity::Lane = Lane, "must be now, next, later or icebox": Now, Next, Later, Icebox);

/// Lanes to pick from.
impl BodyField for Vec<entity::Lane> {
    type Sent = Vec<Lane>;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        list(value, entity::Lane::ALL.len(), entity::Lane::from_text)
    }

    fn schema() -> RefOr<Schema> {
        list_schema::<Lane>(entity::Lane::ALL.len()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        <entity::Lane as BodyField>::schemas(schemas);
    }
}

/// The status of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being written; it cannot be picked yet.
    Draft,
    /// Free to be picked.
    Ready,
    /// Picked by a session that works on it.
    Active,
    /// Its work is finished.
    Done,
    /// Given up before it was done.
    Cancelled,
}

/// A feature of a project: one piece of work with its spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// The id of the feature.
    pub id: Uuid,
    /// The project of the feature.
    pub project_id: Uuid,
    /// The short name, which is unique in the project.
    pub slug: String,
    /// The title: one line.
    pub title: String,
    /// The specification, as Markdown.
    pub spec: String,
    /// The status of the feature.
    pub status: Status,
    /// How soon it is wanted.
    pub lane: Lane,
    /// The position in the lane; smaller numbers come first.
    pub priority: u32,
    /// Paths that its holder claims exclusively.
    pub touches: Vec<String>,
    /// The engineer who wrote it.
    pub created_by: Uuid,
    /// The engineer who works, or worked, on it.
    pub claimed_by: Option<Uuid>,
    /// When it was picked.
    pub claimed_at: Option<Moment>,
    /// When it was finished.
    pub completed_at: Option<Moment>,
    /// When it was created.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
    /// The session that works on it.
    pub session_id: Option<Uuid>,
    /// The agent of the session.
    pub agent: Option<String>,
    /// The log index of the pick.
    pub fence: Option<u64>,
    /// The slugs of features that must be done or cancelled first.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Paths that its holder claims shared.
    #[serde(default)]
    pub reads: Vec<String>,
    /// When a session that worked on it was lost.
    pub interrupted_at: Option<Moment>,
}

impl Feature {
    /// A feature with its spec.
    pub fn of(feature: &entity::Feature, spec: String) -> Self {
        let paths = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect();
        let mut wire = Self {
            id: feature.id.0,
            project_id: feature.project.0,
            slug: feature.slug.to_string(),
            title: feature.title.to_string(),
            spec,
            status: Status::Draft,
            lane: feature.lane.into(),
            priority: feature.priority,
            touches: paths(&feature.touches),
            created_by: feature.created_by.0,
            claimed_by: None,
            claimed_at: None,
            completed_at: None,
            created_at: feature.created_at.into(),
            updated_at: feature.updated_at.into(),
            session_id: None,
            agent: None,
            fence: None,
            depends_on: feature.depends_on.iter().map(ToString::to_string).collect(),
            reads: paths(&feature.reads),
            interrupted_at: None,
        };
        match &feature.status {
            entity::Status::Draft => {}
            entity::Status::Ready { interrupted_at } => {
                wire.status = Status::Ready;
                wire.interrupted_at = interrupted_at.map(Into::into);
            }
            entity::Status::Active { holder, claimed_at, fence } => {
                wire.status = Status::Active;
                wire.set_holder(holder, *claimed_at);
                wire.fence = Some(fence.0);
            }
            entity::Status::Done { holder, claimed_at, completed_at } => {
                wire.status = Status::Done;
                wire.set_holder(holder, *claimed_at);
                wire.completed_at = Some((*completed_at).into());
            }
            entity::Status::Cancelled => wire.status = Status::Cancelled,
        }
        wire
    }

    fn set_holder(&mut self, holder: &entity::Holder, claimed_at: WallTime) {
        self.claimed_by = Some(holder.engineer.0);
        self.claimed_at = Some(claimed_at.into());
        self.session_id = Some(holder.session.0);
        self.agent = holder.agent.as_ref().map(ToString::to_string);
    }
}

/// Answer of a pick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Picked {
    /// The picked feature, which is active now.
    #[serde(flatten)]
    pub feature: Feature,
    /// The claims that the pick took.
    pub claims: Vec<Claim>,
}

/// An item of `GET …/features/available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Available {
    /// The ready feature.
    #[serde(flatten)]
    pub feature: Feature,
    /// The obstacle to picking it; absent if it can be picked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<BlockedBy>,
}

/// The obstacle to picking a feature: a path that is held, or dependencies that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedBy {
    /// The engineer who holds the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engineer_id: Option<Uuid>,
    /// The name of that engineer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engineer_name: Option<String>,
    /// The feature that the path is held for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_slug: Option<String>,
    /// The session that holds the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// The agent of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The path as its holder claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// When it is released if the session shows no further sign of life: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// The place and the lease of the session.
    #[serde(flatten)]
    pub holder: HolderSession,
    /// The slugs of dependencies that are open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

impl From<&refusal::Blocker> for BlockedBy {
    fn from(blocker: &refusal::Blocker) -> Self {
        match blocker {
            refusal::Blocker::Dependencies(open) => {
                Self { depends_on: open.iter().map(ToString::to_string).collect(), ..Self::default() }
            }
            refusal::Blocker::Claim(found) => {
                let Conflict { file_path, claimed_by: by, .. } = found.as_ref().into();
                Self {
                    engineer_id: Some(by.engineer_id),
                    engineer_name: Some(by.engineer_name),
                    feature_slug: by.feature_slug,
                    session_id: Some(by.session_id),
                    agent: by.agent,
                    file_path: Some(file_path),
                    expires_at: Some(by.expires_at),
                    holder: by.holder,
                    depends_on: Vec::new(),
                }
            }
        }
    }
}

/// A feature that pick-next could not take: an item of `details.blocked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The slug of the feature.
    pub feature_slug: String,
    /// The obstacle to picking it.
    pub blocked_by: BlockedBy,
}

impl From<&refusal::Blocked> for Blocked {
    fn from(blocked: &refusal::Blocked) -> Self {
        Self { feature_slug: blocked.slug.to_string(), blocked_by: (&blocked.by).into() }
    }
}

body! {
    /// Body of `POST …/features`.
    pub struct CreateFeature => CheckedCreateFeature, Unknown::Ignored {
        /// The short name: 1 to 100 of `a-z`, `0-9`, `-`.
        slug: Slug,
        /// The title: 1 to 200 characters.
        title: Title,
        /// The specification: at least 1 character.
        spec: Spec,
        /// The lane; `next` when absent.
        lane: Option<entity::Lane>,
        /// The position in the lane; its end when absent.
        priority: Option<Priority>,
        /// Paths that the holder will change.
        touches: Arc<[Pattern]>,
        /// Paths that the holder will only read.
        reads: Arc<[Pattern]>,
        /// The slugs of features that must be done or cancelled first.
        depends_on "dependsOn": Arc<[Slug]>,
    }
}

body! {
    /// Body of `PATCH …/features/{slug}`. Absent fields stay as they are.
    pub struct UpdateFeature => CheckedUpdateFeature, Unknown::Ignored, derive(Default) {
        /// The title: 1 to 200 characters.
        title: Option<Title>,
        /// The specification: at least 1 character.
        spec: Option<Spec>,
        /// The lane to move it to.
        lane: Option<entity::Lane>,
        /// The position in the lane.
        priority: Option<Priority>,
        /// All paths that the holder will change.
        touches: Option<Arc<[Pattern]>>,
        /// All paths that the holder will only read.
        reads: Option<Arc<[Pattern]>>,
        /// The slugs of all dependencies.
        depends_on "dependsOn": Option<Arc<[Slug]>>,
    }
}

body! {
    /// Body of `POST …/features/pick-next`.
    pub struct PickNext => CheckedPickNext, Unknown::Refused {
        /// The lanes to pick from; all of them, `now` first, when absent or empty.
        lanes: Option<Vec<entity::Lane>>,
    }
}

/// Answer of `DELETE …/features/:slug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// Always true. A failure has an error as its answer.
    pub deleted: bool,
}
