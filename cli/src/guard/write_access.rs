//! Asks who holds files, and claims those that are free. The claim counts, which is one step in the cluster; the check
//! before it only avoids claims that are not needed.

use super::{
    changes,
    checkout::{self, EVERYTHING, LinkedCheckout},
    held_file::HeldFile,
};
use crate::{
    client::Request,
    context::Context,
    error::{Error, Refused},
    session::ClaimLifetime,
};
use nexus_api_types::{
    Code, Moment,
    claim::{CheckPaths, Checked, CheckedPath, Claim, ClaimPaths, Claimed, Conflict, Standing},
    session::SessionOf,
};
use uuid::Uuid;

/// Paths of one check: a server takes five times as many.
const MAX_CHECKED_PATHS: usize = 2_000;

/// Claims that one answer lists. It has the standing of every path, but may leave out claims.
const MAX_LISTED_CLAIMS: usize = 100;

/// Paths of a check whose answer shall list all holders: most files have one.
const MAX_PATHS_WITH_HOLDERS: usize = 50;

/// Whether files may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteAccess {
    /// This run holds them, or nobody needs to.
    AlreadyHeld,
    /// These were free, and this run holds them now.
    Claimed {
        /// The paths as they were asked for.
        paths: Vec<String>,
        /// The end of their lease, if no process keeps the session alive.
        lease: Option<Moment>,
    },
    /// Other sessions hold these.
    HeldByOthers(Vec<HeldFile>),
}

/// Asks as the session of this run whether it may write these files, and claims those that are free.
///
/// # Errors
/// When the cluster refuses the request itself, or no server answers.
pub(crate) async fn acquire(
    context: &Context<'_>,
    checkout: &LinkedCheckout,
    paths: &[String],
) -> Result<WriteAccess, Error> {
    let project = checkout.project();
    context.session_for_work(project).await?;
    let checked = check(context, project, paths).await?;
    let named = |standing| {
        let paths = checked.iter().filter(move |path| path.standing == standing);
        paths.map(|path| path.path.clone()).filter(|path| can_be_held(path)).collect::<Vec<_>>()
    };
    let held = held(context, project, &checked).await?;
    if held.iter().any(|held_file| !can_be_held(&held_file.wanted)) {
        return Ok(WriteAccess::HeldByOthers(held));
    }
    let mut wanted = changes::not_ignored(&checkout.root, named(Standing::Free));
    // Held files are claimed, too: one may have become free, and the refusal says for which feature it is held.
    wanted.extend(named(Standing::Held));
    if wanted.is_empty() {
        return Ok(WriteAccess::AlreadyHeld);
    }
    match take(context, project, wanted).await? {
        WriteAccess::HeldByOthers(mut conflicts) => {
            // A refusal names one file for each claim that is in the way.
            let more = held.into_iter().filter(|held| !conflicts.iter().any(|one| one.wanted == held.wanted));
            let more: Vec<HeldFile> = more.collect();
            conflicts.extend(more);
            Ok(WriteAccess::HeldByOthers(conflicts))
        }
        other => Ok(other),
    }
}

/// Whether a session can hold a path of that name.
fn can_be_held(path: &str) -> bool {
    path != EVERYTHING && checkout::is_claimable(path)
}

/// The files among these that other sessions hold, asked as the session of this run. Claims nothing.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn held_by_others(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
) -> Result<Vec<HeldFile>, Error> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    context.session_for_work(project).await?;
    held(context, project, &check(context, project, paths).await?).await
}

/// The files among these that sessions of other engineers hold. Claims nothing.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn held_by_other_engineers(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
) -> Result<Vec<HeldFile>, Error> {
    context.client.act_as(None);
    held(context, project, &check(context, project, paths).await?).await
}

/// The files of a check that others hold; those with a known holder come first.
async fn held(context: &Context<'_>, project: Uuid, checked: &[CheckedPath]) -> Result<Vec<HeldFile>, Error> {
    let of_path = |path: &CheckedPath| match path.claims.first() {
        // An answer lists the claims of others first.
        Some(claim) => HeldFile::of_claim(&path.path, claim),
        None => HeldFile::of_somebody(&path.path),
    };
    let held = checked.iter().filter(|path| path.standing == Standing::Held);
    let mut held: Vec<HeldFile> = held.map(of_path).collect();
    let nameless =
        held.iter().filter(|held_file| !held_file.is_named()).map(|held_file| held_file.wanted.clone());
    let nameless: Vec<String> = nameless.take(MAX_PATHS_WITH_HOLDERS).collect();
    if !nameless.is_empty() {
        for path in ask(context, project, &nameless).await? {
            let known = held.iter_mut().find(|held_file| held_file.wanted == path.path);
            if let (Some(held_file), Some(claim)) = (known, path.claims.first()) {
                *held_file = HeldFile::of_claim(&path.path, claim);
            }
        }
    }
    held.sort_by_key(|held_file| !held_file.is_named());
    Ok(held)
}

async fn check(context: &Context<'_>, project: Uuid, paths: &[String]) -> Result<Vec<CheckedPath>, Error> {
    let mut checked = Vec::new();
    for paths in paths.chunks(MAX_CHECKED_PATHS) {
        checked.extend(ask(context, project, paths).await?);
    }
    Ok(checked)
}

/// Sends one check. The answer is in the order of `paths`, and has their names.
async fn ask(context: &Context<'_>, project: Uuid, paths: &[String]) -> Result<Vec<CheckedPath>, Error> {
    let to_check = |path: &String| {
        if checkout::is_claimable(path) { path.clone() } else { checkout::claimable_pattern(path) }
    };
    let body = CheckPaths { paths: paths.iter().map(to_check).collect(), fence: None };
    let check = Request::post(format!("/projects/{project}/claims/check")).body(&body);
    let checked: Checked = context.send_in_session(project, check).await?.parse()?;
    if checked.paths.len() != paths.len() {
        return Err(Error::local("the server answered about other files than it was asked about"));
    }
    let named = |(path, name): (CheckedPath, &String)| CheckedPath { path: name.clone(), ..path };
    Ok(checked.paths.into_iter().zip(paths).map(named).collect())
}

/// Claims files for the feature that the session works on.
async fn take(context: &Context<'_>, project: Uuid, paths: Vec<String>) -> Result<WriteAccess, Error> {
    let feature = current_feature(context, project).await?;
    match claim(context, project, &paths, feature).await {
        // The feature may be over by now: then the session claims the files without one.
        Err(Error::Refused(refused))
            if feature.is_some()
                && !matches!(refused.body.code, Code::FileAlreadyClaimed | Code::RateLimited) =>
        {
            settled(context, project, paths.clone(), claim(context, project, &paths, None).await)
        }
        other => settled(context, project, paths, other),
    }
}

fn settled(
    context: &Context<'_>,
    project: Uuid,
    paths: Vec<String>,
    claimed: Result<Claimed, Error>,
) -> Result<WriteAccess, Error> {
    match claimed {
        Ok(claimed) => {
            let lifetime = context.keep_session_alive(project);
            let ends = claimed.claims.iter().map(|claim| claim.expires_at).min();
            let lease = ends.filter(|_| lifetime == ClaimLifetime::Lease);
            Ok(WriteAccess::Claimed { paths, lease })
        }
        Err(Error::Refused(refused)) if refused.body.code == Code::FileAlreadyClaimed => {
            let conflicts = conflicts(&refused);
            // A refusal without conflicts in its details counts for all paths.
            let unknown = if conflicts.is_empty() { paths.as_slice() } else { &[] };
            let held = conflicts.iter().map(HeldFile::of_conflict);
            Ok(WriteAccess::HeldByOthers(
                held.chain(unknown.iter().map(|path| HeldFile::of_somebody(path))).collect(),
            ))
        }
        Err(error) => Err(error),
    }
}

async fn claim(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
    feature_id: Option<Uuid>,
) -> Result<Claimed, Error> {
    let body = ClaimPaths { paths: paths.to_vec(), mode: None, feature_id };
    let claim = Request::post(format!("/projects/{project}/claims")).body(&body);
    context.send_in_session(project, claim).await?.parse()
}

/// The feature that the session works on.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn current_feature(context: &Context<'_>, project: Uuid) -> Result<Option<Uuid>, Error> {
    let Some(session) = context.client.session() else { return Ok(None) };
    let active = context.client.send(Request::get(format!("/projects/{project}/sessions/active"))).await?;
    let sessions: Vec<SessionOf> = active.parse()?;
    Ok(sessions
        .into_iter()
        .find(|found| found.session.id == session)
        .and_then(|found| found.session.feature_id))
}

fn conflicts(refused: &Refused) -> Vec<Conflict> {
    let list = refused.body.details.as_ref().and_then(|details| details.get("conflicts")).cloned();
    list.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default()
}

/// Whether the acting session alone holds any of these files.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn holds_any(context: &Context<'_>, project: Uuid, paths: &[String]) -> Result<bool, Error> {
    let checked = check(context, project, paths).await?;
    Ok(checked.iter().any(|path| path.standing == Standing::Mine))
}

/// All claims on each of these files, those of this session included.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(crate) async fn claims_on(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
) -> Result<Vec<(String, Vec<Claim>)>, Error> {
    let mut found = Vec::new();
    let mut left: Vec<&[String]> = paths.chunks(MAX_PATHS_WITH_HOLDERS).rev().collect();
    while let Some(paths) = left.pop() {
        let checked = ask(context, project, paths).await?;
        let listed: usize = checked.iter().map(|path| path.claims.len()).sum();
        if listed >= MAX_LISTED_CLAIMS && paths.len() > 1 {
            // There may be more: fewer paths leave room for them.
            let (first, second) = paths.split_at(paths.len() / 2);
            left.extend([second, first]);
            continue;
        }
        found.extend(checked.into_iter().map(|path| (path.path, path.claims)));
    }
    Ok(found)
}
