//! Changes a feature. If it is picked, new paths are claimed for its holder in the same step, or nothing changes.

use crate::{
    decide::{
        Context, Decide, Decision, Effects, Facts,
        conflicts::conflicts,
        dependencies::check_dependencies,
        features::find,
        holdings::{self, within_limit, within_limit_of_feature},
        lists::{check_patterns, distinct},
        picks::{files_claimed, without},
        quota::{within_quota, within_quotas_of},
        sessions::require_not_ending,
    },
    document::{Document, DocumentKey},
    entity::{ClaimKey, ClaimMode, Feature, Holder, Lane, ReleaseReason, ReplacedLists},
    event::{Event, FeatureField, FieldValue},
    ids::{EngineerId, ProjectId},
    pattern::Pattern,
    refusal::{MAX_LISTED, Refusal},
    reply::Reply,
    rules::RulesVersion,
    short_text::{Slug, Title},
    state::State,
    usage::{Owner, Usage},
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// Replaced lists of one feature that stay stored: bounds the time of its deletion. Older events show no lists.
const MAX_REPLACED_LISTS: usize = 1_000;

/// Changes a feature in any status.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature to change.
    pub slug: Slug,
    /// The fields to change; the others stay.
    pub patch: Box<FeaturePatch>,
}

/// Changes of a feature. A field that is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FeaturePatch {
    /// The new title.
    pub title: Option<Title>,
    /// The new specification.
    pub spec: Option<Arc<str>>,
    /// The new lane.
    pub lane: Option<Lane>,
    /// The new priority in the lane, from 1.
    pub priority: Option<u32>,
    /// The new list of exclusive paths; it replaces the old list.
    pub touches: Option<Arc<[Pattern]>>,
    /// The new list of shared paths; it replaces the old list.
    pub reads: Option<Arc<[Pattern]>>,
    /// The new list of dependencies; it replaces the old list.
    pub depends_on: Option<Arc<[Slug]>>,
}

impl Decide for UpdateFeature {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        self.patch.touches.is_some() || self.patch.reads.is_some() || self.patch.depends_on.is_some()
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref slug, ref patch } = *self;
        let engineer = ctx.worker(project)?;
        let before = find(ctx, project, slug)?;
        let mut after = Feature::clone(before);
        let mut fields = Vec::new();
        if let Some(title) = patch.title.as_ref().filter(|title| **title != before.title) {
            fields.push((FeatureField::Title, FieldValue::text(&before.title), FieldValue::text(title)));
            after.title = title.clone();
        }
        if let Some(spec) = &patch.spec {
            after.spec_bytes = spec.len() as u32;
            fields.push((FeatureField::Spec, FieldValue::Omitted, FieldValue::Omitted));
        }
        if let Some(lane) = patch.lane.filter(|lane| *lane != before.lane) {
            fields.push((
                FeatureField::Lane,
                FieldValue::text(before.lane.name()),
                FieldValue::text(lane.name()),
            ));
            // The priority stays as it is. Only the roadmap's own route moves a feature to the end of its lane.
            after.lane = lane;
        }
        if let Some(priority) = patch.priority {
            after.priority = priority;
        }
        if after.priority != before.priority {
            fields.push((
                FeatureField::Priority,
                FieldValue::text(before.priority),
                FieldValue::text(after.priority),
            ));
        }
        if let Some(touches) =
            patch.touches.as_ref().map(distinct).filter(|touches| *touches != before.touches)
        {
            fields.push((
                FeatureField::Touches,
                FieldValue::list(&before.touches),
                FieldValue::list(&touches),
            ));
            after.touches = touches;
        }
        if let Some(reads) = patch.reads.as_ref().map(distinct).filter(|reads| *reads != before.reads) {
            fields.push((FeatureField::Reads, FieldValue::list(&before.reads), FieldValue::list(&reads)));
            after.reads = reads;
        }
        if let Some(depends_on) =
            patch.depends_on.as_ref().map(distinct).filter(|slugs| *slugs != before.depends_on)
        {
            check_dependencies(ctx, project, slug, &depends_on, work)?;
            fields.push((
                FeatureField::DependsOn,
                FieldValue::list(&before.depends_on),
                FieldValue::list(&depends_on),
            ));
            after.depends_on = depends_on;
        }
        check_patterns("touches and reads together", &after.touches, &after.reads)?;
        if fields.is_empty() {
            return Ok(Decision::new(Vec::new(), Reply::Feature(before.clone())));
        }
        after.updated_at = ctx.wall();
        after.charged_to = charged_to(ctx, before, &after, engineer.id)?;
        let replaced = if after.lists() == before.lists() {
            Effects::default()
        } else {
            after.lists_at = ctx.revision;
            replaced_lists(ctx, before, engineer.id)?
        };

        let mut claims = Vec::new();
        if let Some(holder) = before.holder() {
            claims = change_of_claims(ctx, before, &after, holder, work)?;
        }
        let after = Arc::new(after);
        let mut events: Vec<Event> = fields
            .into_iter()
            .map(|(field, old, new)| Event::FeatureUpdated { feature: after.clone(), field, old, new })
            .collect();
        events.extend(claims);
        let (list_events, documents) = replaced;
        events.extend(list_events);
        let mut decision = Decision::new(events, Reply::Feature(after.clone())).with_documents(documents);
        if let Some(spec) = &patch.spec {
            decision = decision
                .with_document(DocumentKey::Spec(project, after.id), Some(Document::Spec(spec.clone())));
        }
        Ok(decision)
    }
}

/// The engineer whose quota a changed feature counts against. An engineer who makes it larger takes all of it over, so
/// that nobody can fill a colleague's quota.
fn charged_to(
    ctx: Context<'_>,
    before: &Feature,
    after: &Feature,
    engineer: EngineerId,
) -> Result<EngineerId, Refusal> {
    let (was, becomes) = (Usage::of_feature(before), Usage::of_feature(after));
    let more = becomes.beyond(was);
    if more == Usage::default() {
        return Ok(before.charged_to);
    }
    within_quotas_of(ctx.state, [Owner::Project(before.project), Owner::Cluster], more)?;
    let more = if before.charged_to == engineer { more } else { becomes };
    within_quotas_of(ctx.state, [Owner::Engineer(engineer)], more)?;
    Ok(engineer)
}

/// Stores the replaced lists for the events that refer to them. They count against the engineer who replaces them.
fn replaced_lists(ctx: Context<'_>, before: &Feature, replaced_by: EngineerId) -> Result<Effects, Refusal> {
    let (project, feature) = (before.project, before.id);
    let (mut events, mut documents) = Effects::default();
    if before.list_bytes() == 0 {
        return Ok((events, documents));
    }
    let lists = Document::Lists(Arc::new(before.lists()));
    let usage = Usage::of_text(&lists).unwrap_or_default();
    within_quota(ctx, project, replaced_by, usage)?;
    let mut kept = ctx.state.replaced_lists_of(project, feature);
    let oldest = kept.next();
    if let Some((at, oldest)) = oldest
        && kept.count() + 1 >= MAX_REPLACED_LISTS
    {
        events.push(Event::ListsForgotten { project, feature, at });
        documents.push((DocumentKey::Lists(project, feature, oldest.lists_at), None));
    }
    let kept = ReplacedLists { lists_at: before.lists_at, replaced_by, bytes: usage.texts };
    events.push(Event::ListsReplaced { project, feature, kept });
    documents.push((DocumentKey::Lists(project, feature, before.lists_at), Some(lists)));
    Ok((events, documents))
}

/// The claims to make and to release when the paths of an active feature change. A path that a lead has released by
/// force is neither claimed again nor released.
fn change_of_claims(
    ctx: Context<'_>,
    before: &Feature,
    after: &Feature,
    holder: &Holder,
    work: &mut WorkBudget,
) -> Result<Vec<Event>, Refusal> {
    let had_reads = without(&before.reads, &before.touches);
    let want_reads = without(&after.reads, &after.touches);
    let new_touches = without(&after.touches, &before.touches);
    let new_reads = without(&want_reads, &had_reads);
    let session = ctx.state.session(holder.session).expect("an active feature belongs to a session");
    if !new_touches.is_empty() || !new_reads.is_empty() {
        // A session that is ending cannot claim anything.
        require_not_ending(session)?;
    }
    within_limit_of_feature(ctx, session, before.id, new_touches.iter().chain(&*new_reads))?;
    within_limit(ctx, session, new_touches.iter().chain(&*new_reads))?;
    let wanted = [(&*new_touches, ClaimMode::Exclusive), (&*new_reads, ClaimMode::Shared)];
    let conflicts = conflicts(ctx.state, before.project, wanted, Some(holder.session), MAX_LISTED, work)?;
    if !conflicts.is_empty() {
        return Err(Refusal::FilesClaimed { conflicts });
    }
    let had: Arc<[Pattern]> = before.touches.iter().chain(had_reads.iter()).cloned().collect();
    let want: Vec<Pattern> = after.touches.iter().chain(want_reads.iter()).cloned().collect();
    let held = |path: &Pattern| {
        let key = ClaimKey {
            project: before.project,
            session: holder.session,
            feature: Some(before.id),
            path: path.clone(),
        };
        ctx.state.claims.get(&key)
    };
    let dropped: Arc<[Pattern]> =
        without(&had, &want).iter().filter(|path| held(path).is_some()).cloned().collect();
    // A path that the session has claimed exclusively, and that is now in `reads`, stays exclusive.
    let touched: BTreeSet<&Pattern> = before.touches.iter().collect();
    let new_reads: Arc<[Pattern]> =
        new_reads.iter().filter(|path| touched.contains(path) || held(path).is_none()).cloned().collect();
    let id = Some(before.id);
    let mut events = holdings::released(before.project, holder, id, &dropped, &ReleaseReason::Updated);
    events.extend(files_claimed(ctx, holder, after, &new_touches, ClaimMode::Exclusive));
    events.extend(files_claimed(ctx, holder, after, &new_reads, ClaimMode::Shared));
    Ok(events)
}
