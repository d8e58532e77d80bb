//! Decides about features: creation, changes, deletion, and the statuses before a pick.

use super::{
    Context, Decision,
    access::not_found,
    conflicts::{FEATURE, conflicts, too_much},
    holdings::{self, within_limit, within_limit_of_feature},
    picking::{files_claimed, find, transition, without},
    quota::{within_quota, within_quotas_of},
    session_end::Effects,
    sessions::require_not_ending,
};
use crate::{
    apply::Erasure,
    command::{FeaturePatch, NewFeature},
    document::{Document, DocumentKey},
    entity::{ClaimKey, ClaimMode, Feature, Holder, Lane, ReplacedLists, Status},
    event::{Event, FeatureField, FieldValue, ReleaseReason},
    ids::{EngineerId, ProjectId},
    pattern::Pattern,
    refusal::{EntityKind, MAX_LISTED, Refusal},
    reply::Reply,
    short_text::Slug,
    usage::{Owner, Usage},
    work::{OutOfBudget, WorkBudget},
};
use std::{collections::BTreeSet, sync::Arc};

/// Paths of one feature, `touches` and `reads` together: bounds the time of one log entry.
pub const MAX_PATTERNS: usize = 10_000;
/// Paths of one feature with a real wildcard, which a bracketed name is not. Every pick beneath its folder compares a
/// held glob, and a wanted glob is compared with everything held there.
pub const MAX_GLOBS: usize = 100;
/// Bytes of all automata of one list. Ten thousand names like `app/[id]/page.tsx` take some 5 MB, which are built in
/// some 20 ms. Bracketed names are not counted as globs, but a thousand long ones of nothing but brackets would take 60
/// MB.
pub const MAX_AUTOMATA: u64 = 8 << 20;
/// Replaced lists of one feature that stay stored: bounds the time of its deletion. Older events show no lists.
const MAX_REPLACED_LISTS: usize = 1_000;
/// Dependencies of one feature.
pub const MAX_DEPENDENCIES: usize = 100;
/// Features of one project: bounds memory.
const MAX_FEATURES: usize = 100_000;
/// Slugs that have another meaning in the API's addresses.
const RESERVED_SLUGS: [&str; 2] = ["available", "pick-next"];

/// Creates a draft.
pub(super) fn create(
    ctx: Context<'_>,
    project: ProjectId,
    new: &NewFeature,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
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

pub(super) fn end_of(ctx: Context<'_>, project: ProjectId, lane: Lane) -> u32 {
    ctx.state.last_in_lane(project, lane).map_or(0, |last| last.priority).saturating_add(1)
}

/// The same items in the order of their first occurrence, each once.
pub(super) fn distinct<T: Ord + Clone>(things: &Arc<[T]>) -> Arc<[T]> {
    let mut seen = BTreeSet::new();
    if things.iter().all(|thing| seen.insert(thing)) {
        return things.clone();
    }
    let mut seen = BTreeSet::new();
    things.iter().filter(|thing| seen.insert(*thing)).cloned().collect()
}

/// Refuses more paths than one command may name.
pub(super) fn check_patterns(what: &str, touches: &[Pattern], reads: &[Pattern]) -> Result<(), Refusal> {
    let too_many = |what: String, limit: usize| Err(Refusal::TooMany { what, limit: limit as u64 });
    if touches.len() + reads.len() > MAX_PATTERNS {
        return too_many(what.to_owned(), MAX_PATTERNS);
    }
    if touches.iter().chain(reads).filter(|path| path.is_wild()).count() > MAX_GLOBS {
        return too_many(format!("patterns with wildcards in {what}"), MAX_GLOBS);
    }
    let automata: u64 = touches.iter().chain(reads).map(Pattern::automaton_bytes).sum();
    if automata > MAX_AUTOMATA {
        let what =
            format!("bytes of memory for the brackets and wildcards in {what} (claim folders instead)");
        return Err(Refusal::TooMany { what, limit: MAX_AUTOMATA });
    }
    Ok(())
}

fn check_dependencies(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    depends_on: &[Slug],
    work: &mut WorkBudget,
) -> Result<(), Refusal> {
    if depends_on.len() > MAX_DEPENDENCIES {
        return Err(Refusal::TooMany { what: "dependsOn".to_owned(), limit: MAX_DEPENDENCIES as u64 });
    }
    let mut seen = BTreeSet::new();
    for needed in depends_on {
        if needed != slug && ctx.state.feature_by_slug(project, needed).is_none() {
            return Err(not_found(EntityKind::Feature, needed));
        }
        if leads_to(ctx, project, needed, slug, &mut seen, work)? {
            return Err(Refusal::DependencyCycle { slug: slug.clone(), through: needed.clone() });
        }
    }
    Ok(())
}

/// Whether following dependencies from one feature reaches another. Features that were seen before do not reach it.
fn leads_to<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    from: &'a Slug,
    to: &Slug,
    seen: &mut BTreeSet<&'a Slug>,
    work: &mut WorkBudget,
) -> Result<bool, Refusal> {
    let mut next = vec![from];
    while let Some(slug) = next.pop() {
        if slug == to {
            return Ok(true);
        }
        if seen.insert(slug)
            && let Some(feature) = ctx.state.feature_by_slug(project, slug)
        {
            // Every named dependency costs a step, also one that was seen already.
            let cost = FEATURE * (1 + feature.depends_on.len());
            work.charge(cost).map_err(|OutOfBudget| too_long_a_walk())?;
            next.extend(&*feature.depends_on);
        }
    }
    Ok(false)
}

fn too_long_a_walk() -> Refusal {
    too_much(
        "following all that these features depend on, one after the other",
        "depend on the last of them alone, which depends on the others already",
    )
}

/// Changes a feature. If it is picked, new paths are claimed for its holder in the same step, or nothing changes.
pub(super) fn update(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    patch: &FeaturePatch,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
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
    if let Some(touches) = patch.touches.as_ref().map(distinct).filter(|touches| *touches != before.touches) {
        fields.push((FeatureField::Touches, FieldValue::list(&before.touches), FieldValue::list(&touches)));
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
        decision =
            decision.with_document(DocumentKey::Spec(project, after.id), Some(Document::Spec(spec.clone())));
    }
    Ok(decision)
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

/// Deletes a draft, or a finished feature with all texts about it. Its author and leads may do this.
pub(super) fn delete(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    is_finished: bool,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    if is_finished {
        if !feature.status.is_over() {
            return Err(Refusal::NotFinished { slug: slug.clone(), status: feature.status.to_string() });
        }
        if feature.created_by != engineer.id {
            ctx.lead(project)?;
        }
    } else if feature.status != Status::Draft {
        return Err(Refusal::NotADraft { slug: slug.clone(), status: feature.status.to_string() });
    }
    let decision = Decision::new(vec![Event::FeatureDeleted(feature.clone())], Reply::Done)
        .with_document(DocumentKey::Spec(project, feature.id), None);
    // A draft that was ready before may have texts, too. Most have none, and deleted ranges slow reads down.
    let may_have_texts = !ctx.state.text_counts_of(project, Some(feature.id)).is_empty()
        || ctx.state.replaced_lists_of(project, feature.id).next().is_some()
        || ctx.state.has_decisions(project, 1);
    Ok(if may_have_texts { decision.erasing(Erasure::TextsOfFeature(project, feature.id)) } else { decision })
}

/// Moves a draft to status ready.
pub(super) fn ready(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    match feature.status {
        Status::Draft => Ok(moved(ctx, feature, Status::Ready { interrupted_at: None })),
        _ => Err(transition(feature, "ready")),
    }
}

/// Moves a ready feature to status draft.
pub(super) fn draft(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    match feature.status {
        Status::Ready { .. } => Ok(moved(ctx, feature, Status::Draft)),
        _ => Err(transition(feature, "draft")),
    }
}

/// A change of status that is its own event.
pub(super) fn moved(ctx: Context<'_>, before: &Feature, status: Status) -> Decision {
    let (old, new) = (FieldValue::text(&before.status), FieldValue::text(&status));
    let after = Arc::new(Feature { status, updated_at: ctx.wall(), ..before.clone() });
    let event = Event::FeatureUpdated { feature: after.clone(), field: FeatureField::Status, old, new };
    Decision::new(vec![event], Reply::Feature(after))
}
