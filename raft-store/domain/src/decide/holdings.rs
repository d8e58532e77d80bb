//! Limits on the claims of sessions and features, and the events of claiming and releasing: each event of bounded size,
//! however much a session holds. Nothing here decides about collisions.

use super::{context::Context, lists::MAX_PATTERNS, quota::within_quota};
use crate::{
    entity::{ClaimMode, ClaimUsage, Holder, ReleaseReason, Session},
    event::Event,
    ids::{FeatureId, ProjectId},
    pattern::Pattern,
    refusal::Refusal,
    usage::Usage,
    work::{OutOfBudget, WorkBudget},
};
use std::sync::Arc;

/// Claims of one session: bounds how long their release takes when it ends.
const MOST_OF_SESSION: ClaimUsage = ClaimUsage { claims: 100_000, bytes: 16 << 20 };
/// Paths in one event, which take at most a MiB, so that every event can be stored and sent.
const PATHS_OF_EVENT: usize = 1_000;
/// Claims for one feature, its own paths included: the entry that completes it releases all of them.
const MOST_OF_FEATURE: ClaimUsage = ClaimUsage { claims: MAX_PATTERNS, bytes: 2 << 20 };
/// Steps of looking at one more claim, or looking up one more path among claims.
pub(crate) const STEPS_OF_CLAIM: usize = 100;
/// Steps of releasing a claim: its row and its index entries are removed, and an event names it. Claiming a path costs
/// as much, but a request names at most [`MAX_PATTERNS`].
const RELEASED: usize = 2_000;
/// Steps of each byte of its path, in the event and in the row's key.
const RELEASED_BYTE: usize = 1;

/// Refuses further claims if the session would hold too many, or if a quota would be exceeded.
pub(crate) fn within_limit<'a>(
    ctx: Context<'_>,
    session: &Session,
    more: impl IntoIterator<Item = &'a Pattern>,
) -> Result<(), Refusal> {
    let (mut claims, mut usage) = (ClaimUsage::default(), Usage::default());
    for path in more {
        claims.add(ClaimUsage::of([path]));
        usage.add(Usage::of_claim(path));
    }
    within_quota(ctx, session.project, session.engineer, usage)?;
    let (more, in_project) = (claims, ctx.state.claimed_in(session.project));
    let of_session = |held| fits("one session", held, more, MOST_OF_SESSION);
    // Counting takes time, so the project's total is compared first.
    if of_session(in_project).is_ok() {
        return Ok(());
    }
    of_session(ClaimUsage::of(ctx.state.claims_of(session).map(|(key, _)| &key.path)))
}

/// Refuses further claims for a feature if the session would hold too many for it.
pub(crate) fn within_limit_of_feature<'a>(
    ctx: Context<'_>,
    session: &Session,
    feature: FeatureId,
    more: impl IntoIterator<Item = &'a Pattern>,
) -> Result<(), Refusal> {
    let held = ClaimUsage::of(ctx.state.claims_for(session, feature).map(|(key, _)| &key.path));
    fits("one feature", held, ClaimUsage::of(more), MOST_OF_FEATURE)
}

/// Checks that `held` and `more` together do not exceed `most`.
fn fits(whose: &str, held: ClaimUsage, more: ClaimUsage, most: ClaimUsage) -> Result<(), Refusal> {
    let too_many = |what: String, limit: usize| Err(Refusal::TooMany { what, limit: limit as u64 });
    if held.claims + more.claims > most.claims {
        return too_many(format!("claims of {whose}"), most.claims);
    }
    if held.bytes + more.bytes > most.bytes {
        return too_many(format!("bytes in the claimed paths of {whose}"), most.bytes);
    }
    Ok(())
}

/// The events of claiming paths; none for no paths.
pub(crate) fn claimed(
    ctx: Context<'_>,
    project: ProjectId,
    holder: &Holder,
    feature: Option<FeatureId>,
    paths: &Arc<[Pattern]>,
    mode: ClaimMode,
) -> Vec<Event> {
    let event = |paths| Event::FilesClaimed {
        project,
        holder: holder.clone(),
        feature,
        paths,
        mode,
        fence: ctx.fence(),
        claimed_at: ctx.wall(),
    };
    in_parts(paths).map(event).collect()
}

/// The events of releasing paths; none for no paths.
pub(crate) fn released(
    project: ProjectId,
    holder: &Holder,
    feature: Option<FeatureId>,
    paths: &Arc<[Pattern]>,
    reason: &ReleaseReason,
) -> Vec<Event> {
    let event = |paths| Event::FilesReleased {
        project,
        holder: holder.clone(),
        feature,
        paths,
        reason: reason.clone(),
    };
    in_parts(paths).map(event).collect()
}

fn in_parts(paths: &Arc<[Pattern]>) -> impl Iterator<Item = Arc<[Pattern]>> {
    // Nearly always one part, which then shares the list instead of copying it.
    let whole = (!paths.is_empty() && paths.len() <= PATHS_OF_EVENT).then(|| paths.clone());
    let parts = if whole.is_some() { &[] } else { &**paths };
    whole.into_iter().chain(parts.chunks(PATHS_OF_EVENT).map(Into::into))
}

/// Charges the release of one claim.
pub(crate) fn charge_release(path: &Pattern, work: &mut WorkBudget) -> Result<(), OutOfBudget> {
    work.charge(RELEASED + RELEASED_BYTE * path.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_fit_up_to_the_last_claim_and_the_last_byte() {
        let usage = |claims, bytes| ClaimUsage { claims, bytes };
        let most = usage(10, 1_000);
        let refused = |held, more| match fits("one project", held, more, most) {
            Err(Refusal::TooMany { what, limit }) => Some((what, limit)),
            _ => None,
        };
        assert_eq!(refused(usage(9, 900), usage(1, 100)), None);
        assert_eq!(refused(usage(9, 0), usage(2, 0)), Some(("claims of one project".to_owned(), 10)));
        let bytes = "bytes in the claimed paths of one project".to_owned();
        assert_eq!(refused(usage(0, 900), usage(1, 101)), Some((bytes, 1_000)));
    }
}
