//! Creates a feature, as a draft.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        dependencies::check_dependencies,
        features::end_of,
        lists::{check_patterns, distinct},
        quota::within_quota,
    },
    document::{Document, DocumentKey},
    entity::{Feature, Lane, Status},
    event::Event,
    ids::{FeatureId, ProjectId},
    pattern::Pattern,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    short_text::{Slug, Title},
    state::State,
    usage::Usage,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Features of one project: bounds memory.
const MAX_FEATURES: usize = 100_000;
/// Slugs that have another meaning in the API's addresses.
const RESERVED_SLUGS: [&str; 2] = ["available", "pick-next"];

/// Creates a feature as a draft.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CreateFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature. Boxed, since it is much larger than other commands.
    pub feature: Box<NewFeature>,
}

/// A new feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewFeature {
    /// The feature's id.
    pub id: FeatureId,
    /// The feature's name in addresses, unique in the project and never changed.
    pub slug: Slug,
    /// One line for people.
    pub title: Title,
    /// The specification, of any length that the API accepts.
    pub spec: Arc<str>,
    /// The lane of the board that it is put in.
    pub lane: Lane,
    /// The priority in the lane, from 1; the lowest comes first. `None` means the end of the lane.
    pub priority: Option<u32>,
    /// Paths that its holder claims exclusively. Together with `reads`, at most 10,000.
    pub touches: Arc<[Pattern]>,
    /// Paths that its holder claims shared.
    pub reads: Arc<[Pattern]>,
    /// Features of the same project that must be done or cancelled before it can be picked, at most 100.
    pub depends_on: Arc<[Slug]>,
}

impl Decide for CreateFeature {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        !self.feature.depends_on.is_empty()
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, feature: ref new } = *self;
        let engineer = ctx.worker(project)?;
        if RESERVED_SLUGS.contains(&new.slug.as_str()) {
            return Err(Refusal::SlugReserved(new.slug.clone()));
        }
        if ctx.state.feature_by_slug(project, &new.slug).is_some() {
            return Err(Refusal::SlugTaken { kind: EntityKind::Feature, slug: new.slug.clone() });
        }
        if ctx.state.has_features(project, MAX_FEATURES) {
            let what = "features of one project".to_owned();
            return Err(Refusal::TooMany { what, limit: MAX_FEATURES as u64 });
        }
        check_dependencies(ctx, project, &new.slug, &new.depends_on, work)?;
        let feature = Arc::new(Feature {
            id: new.id,
            project,
            slug: new.slug.clone(),
            title: new.title.clone(),
            lane: new.lane,
            priority: new.priority.unwrap_or_else(|| end_of(ctx, project, new.lane)),
            touches: distinct(&new.touches),
            reads: distinct(&new.reads),
            depends_on: distinct(&new.depends_on),
            lists_at: ctx.revision,
            spec_bytes: new.spec.len() as u32,
            created_by: engineer.id,
            charged_to: engineer.id,
            created_at: ctx.wall(),
            updated_at: ctx.wall(),
            status: Status::Draft,
        });
        check_patterns("touches and reads together", &feature.touches, &feature.reads)?;
        within_quota(ctx, project, engineer.id, Usage::of_feature(&feature))?;
        let spec = Document::Spec(new.spec.clone());
        Ok(Decision::new(vec![Event::FeatureCreated(feature.clone())], Reply::Feature(feature.clone()))
            .with_document(DocumentKey::Spec(project, feature.id), Some(spec)))
    }
}
