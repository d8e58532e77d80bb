//! What sessions may hold, and the facts of taking and giving back: each of bounded size, however much a
//! session holds. Decides nothing about who may hold what.

use super::Context;
use crate::{
    entity::{Holder, Load, Mode, Session},
    event::{Event, ReleaseReason},
    ids::{FeatureId, ProjectId},
    pattern::Pattern,
    refusal::Refusal,
};
use std::sync::Arc;

/// Claims of one session: bounds the time of its end.
pub(super) const MAX_CLAIMS_OF_SESSION: usize = 100_000;
/// Bytes of their paths: its end tells all of them, in the facts of one entry.
const MAX_PATH_BYTES_OF_SESSION: usize = 16 << 20;
/// Claims of one project: bounds memory, at some 300 bytes each.
const MAX_CLAIMS_OF_PROJECT: usize = 1_000_000;
/// Bytes of their paths, for the same reason.
const MAX_PATH_BYTES_OF_PROJECT: usize = 256 << 20;
/// Claims of the cluster: anybody may make another project.
const MAX_CLAIMS: usize = 4_000_000;
/// Bytes of their paths.
const MAX_PATH_BYTES: usize = 1 << 30;
/// Paths that one fact tells: at most a MiB, so that a fact can always be written and sent.
const PATHS_OF_EVENT: usize = 1_000;

/// Whether one entry should give back no more than this.
pub(crate) const fn fills_an_entry(load: Load) -> bool {
    load.claims >= MAX_CLAIMS_OF_SESSION || load.bytes >= MAX_PATH_BYTES_OF_SESSION
}

/// Refuses what would make a session, a project or the cluster hold too much.
pub(super) fn within_limit<'a>(
    ctx: Context<'_>,
    session: &Session,
    more: impl IntoIterator<Item = &'a Pattern>,
) -> Result<(), Refusal> {
    let more = Load::of(more);
    let check = |whose: &str, held: Load, claims: usize, bytes: usize| {
        let too_many = |what: String, limit: usize| Err(Refusal::TooMany { what, limit: limit as u64 });
        if held.claims + more.claims > claims {
            return too_many(format!("claims of {whose}"), claims);
        }
        if held.bytes + more.bytes > bytes {
            return too_many(format!("bytes in the claimed paths of {whose}"), bytes);
        }
        Ok(())
    };
    let all = ctx.state.claimed();
    check("the cluster", all, MAX_CLAIMS, MAX_PATH_BYTES)?;
    let in_project = ctx.state.claimed_in(session.project);
    check("one project", in_project, MAX_CLAIMS_OF_PROJECT, MAX_PATH_BYTES_OF_PROJECT)?;
    let of_session = |held| check("one session", held, MAX_CLAIMS_OF_SESSION, MAX_PATH_BYTES_OF_SESSION);
    // Counting takes time: not before the project has so many claims at all.
    if of_session(in_project).is_ok() {
        return Ok(());
    }
    of_session(Load::of(ctx.state.claims_of(session).map(|(key, _)| &key.path)))
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
