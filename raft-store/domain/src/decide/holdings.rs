//! What sessions may hold, and the facts of taking and giving back: each of bounded size, however much a
//! session holds. Decides nothing about who may hold what.

use super::{Context, quota::within_quota};
use crate::{
    entity::{Holder, Load, Mode, Session},
    event::{Event, ReleaseReason},
    ids::{FeatureId, ProjectId},
    pattern::Pattern,
    refusal::Refusal,
    usage::Usage,
};
use std::sync::Arc;

/// Claims of one session: bounds how long others wait for them when it ends.
const MOST_OF_SESSION: Load = Load { claims: 100_000, bytes: 16 << 20 };
/// Paths that one fact tells: at most a MiB, so that a fact can always be written and sent.
const PATHS_OF_EVENT: usize = 1_000;

/// What one entry gives back of sessions that end: some 25 ms.
pub(super) const MOST_OF_ENTRY: Load = Load { claims: 5_000, bytes: 2 << 20 };
/// Facts about sessions that end which one entry tells.
const FACTS_OF_ENTRY: usize = 2_000;

/// Whether one entry should give back no more than this, in so many facts.
pub(crate) const fn fills_an_entry(load: Load, facts: usize) -> bool {
    load.claims >= MOST_OF_ENTRY.claims || load.bytes >= MOST_OF_ENTRY.bytes || facts >= FACTS_OF_ENTRY
}

/// What these facts give back.
pub(crate) fn given_back(facts: &[Event]) -> Load {
    let mut load = Load::default();
    for fact in facts {
        if let Event::FilesReleased { paths, .. } = fact {
            load.add(Load::of(&**paths));
        }
    }
    load
}

/// Refuses what would make a session hold too much, or its project, its engineer or the cluster.
pub(super) fn within_limit<'a>(
    ctx: Context<'_>,
    session: &Session,
    more: impl IntoIterator<Item = &'a Pattern>,
) -> Result<(), Refusal> {
    let (mut load, mut usage) = (Load::default(), Usage::default());
    for path in more {
        load.add(Load::of([path]));
        usage.add(Usage::of_claim(path));
    }
    within_quota(ctx, session.project, session.engineer, usage)?;
    let (more, in_project) = (load, ctx.state.claimed_in(session.project));
    let of_session = |held| fits("one session", held, more, MOST_OF_SESSION);
    // Counting takes time: not before the project has so many claims at all.
    if of_session(in_project).is_ok() {
        return Ok(());
    }
    of_session(Load::of(ctx.state.claims_of(session).map(|(key, _)| &key.path)))
}

/// Whether there is place for more.
fn fits(whose: &str, held: Load, more: Load, most: Load) -> Result<(), Refusal> {
    let too_many = |what: String, limit: usize| Err(Refusal::TooMany { what, limit: limit as u64 });
    if held.claims + more.claims > most.claims {
        return too_many(format!("claims of {whose}"), most.claims);
    }
    if held.bytes + more.bytes > most.bytes {
        return too_many(format!("bytes in the claimed paths of {whose}"), most.bytes);
    }
    Ok(())
}

/// The facts of taking paths; none for no paths.
pub(super) fn claimed(
    ctx: Context<'_>,
    project: ProjectId,
    holder: &Holder,
    feature: Option<FeatureId>,
    paths: &Arc<[Pattern]>,
    mode: Mode,
) -> Vec<Event> {
    let fact = |paths| Event::FilesClaimed {
        project,
        holder: holder.clone(),
        feature,
        paths,
        mode,
        fence: ctx.fence(),
        claimed_at: ctx.wall(),
    };
    in_parts(paths).map(fact).collect()
}

/// The facts of giving paths back; none for no paths.
pub(super) fn released(
    project: ProjectId,
    holder: &Holder,
    feature: Option<FeatureId>,
    paths: &Arc<[Pattern]>,
    reason: &ReleaseReason,
) -> Vec<Event> {
    let fact = |paths| Event::FilesReleased {
        project,
        holder: holder.clone(),
        feature,
        paths,
        reason: reason.clone(),
    };
    in_parts(paths).map(fact).collect()
}

fn in_parts(paths: &Arc<[Pattern]>) -> impl Iterator<Item = Arc<[Pattern]>> {
    // Nearly always one, and then shared with whoever has it already.
    let whole = (!paths.is_empty() && paths.len() <= PATHS_OF_EVENT).then(|| paths.clone());
    let parts = if whole.is_some() { &[] } else { &**paths };
    whole.into_iter().chain(parts.chunks(PATHS_OF_EVENT).map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_place_up_to_the_last_claim_and_the_last_byte() {
        let load = |claims, bytes| Load { claims, bytes };
        let most = load(10, 1_000);
        let refused = |held, more| match fits("one project", held, more, most) {
            Err(Refusal::TooMany { what, limit }) => Some((what, limit)),
            _ => None,
        };
        assert_eq!(refused(load(9, 900), load(1, 100)), None);
        assert_eq!(refused(load(9, 0), load(2, 0)), Some(("claims of one project".to_owned(), 10)));
        let bytes = "bytes in the claimed paths of one project".to_owned();
        assert_eq!(refused(load(0, 900), load(1, 101)), Some((bytes, 1_000)));
    }
}
