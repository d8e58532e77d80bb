//! Whose files are, and taking those that are free. What counts is the claim, which is one step in the
//! cluster; the question before it only spares it.

use super::{changes, holding::Holding, place::Place};
use crate::{
    client::Request,
    context::Context,
    error::{Error, Refused},
    run::Actor,
};
use nexus_api_types::{
    Code,
    claim::{CheckPaths, Checked, Claim, ClaimPaths, Conflict, Standing},
    session::SessionOf,
};
use uuid::Uuid;

/// Whether files may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// They are this run's, or nobody's business.
    Mine,
    /// They were free, and are this run's now.
    Taken(Vec<String>),
    /// Somebody else holds some of them.
    Held(Vec<Holding>),
}

/// Asks as the session of this run whether it may write these files, and takes those that are free.
///
/// # Errors
/// When the cluster says no to the question itself, or nothing.
pub(crate) async fn decide(
    context: &Context<'_>,
    place: &Place,
    paths: &[String],
) -> Result<Decision, Error> {
    let checked = check(context, place.project(), paths).await?;
    let named = |standing| {
        let paths = checked.paths.iter().filter(move |path| path.standing == standing);
        paths.map(|path| path.path.clone()).filter(|path| path != "**").collect::<Vec<_>>()
    };
    let held = held(&checked);
    let mut wanted = changes::not_ignored(&place.root, named(Standing::Free));
    if !held.is_empty() {
        // Refused for good only by the claim: it may have become free, and the refusal says for what it is held.
        wanted.extend(named(Standing::Held));
        if named(Standing::Held).is_empty() {
            return Ok(Decision::Held(held));
        }
    }
    if wanted.is_empty() {
        return Ok(Decision::Mine);
    }
    take(context, place.project(), wanted).await
}

/// Asks whose files are, as the session of this run, and takes nothing.
///
/// # Errors
/// When the cluster says no, or nothing.
pub(crate) async fn look(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
) -> Result<Vec<Holding>, Error> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    Ok(held(&check(context, project, paths).await?))
}

fn held(checked: &Checked) -> Vec<Holding> {
    let held = checked.paths.iter().filter(|path| path.standing == Standing::Held);
    // Those of others come first.
    held.filter_map(|path| Some(Holding::of_claim(&path.path, path.claims.first()?))).collect()
}

async fn check(context: &Context<'_>, project: Uuid, paths: &[String]) -> Result<Checked, Error> {
    let ask = async || {
        context.session_for_work(project).await?;
        let body = CheckPaths { paths: paths.to_vec(), fence: None };
        let check = Request::post(format!("/projects/{project}/claims/check")).body(&body);
        context.client.send(check).await?.parse::<Checked>()
    };
    match ask().await {
        Err(Error::Refused(refused)) if refused.body.code == Code::NotFound && is_over(context, project) => {
            ask().await
        }
        other => other,
    }
}

/// Whether what was refused may be the session, which is over for whatever reason: then it is forgotten.
fn is_over(context: &Context<'_>, project: Uuid) -> bool {
    let Actor::Run { key, .. } = context.actor() else { return false };
    let forgotten = context.records().change(key, project, |record| {
        record.map(|mut record| {
            record.beat(0);
            record
        })
    });
    matches!(forgotten, Ok(Some(_)))
}

/// Takes files for the feature that the session works on.
async fn take(context: &Context<'_>, project: Uuid, paths: Vec<String>) -> Result<Decision, Error> {
    let feature = feature(context, project).await?;
    match claim(context, project, &paths, feature).await {
        // What the session worked on last may be over: the files are then its own.
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
    claimed: Result<(), Error>,
) -> Result<Decision, Error> {
    match claimed {
        Ok(()) => {
            context.look_after(project);
            Ok(Decision::Taken(paths))
        }
        Err(Error::Refused(refused)) if refused.body.code == Code::FileAlreadyClaimed => {
            Ok(Decision::Held(conflicts(&refused).iter().map(Holding::of_conflict).collect()))
        }
        Err(error) => Err(error),
    }
}

async fn claim(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
    feature_id: Option<Uuid>,
) -> Result<(), Error> {
    let body = ClaimPaths { paths: paths.to_vec(), mode: None, feature_id };
    context.client.send(Request::post(format!("/projects/{project}/claims")).body(&body)).await?;
    Ok(())
}

/// The feature that the session works on.
///
/// # Errors
/// When the cluster says no, or nothing.
pub(crate) async fn feature(context: &Context<'_>, project: Uuid) -> Result<Option<Uuid>, Error> {
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

/// The claims of others on these files, whoever asks: what a session of the same engineer holds counts as well.
///
/// # Errors
/// When the cluster says no, or nothing.
pub(crate) async fn claims_on(
    context: &Context<'_>,
    project: Uuid,
    paths: &[String],
) -> Result<Vec<(String, Vec<Claim>)>, Error> {
    let body = CheckPaths { paths: paths.to_vec(), fence: None };
    let check = Request::post(format!("/projects/{project}/claims/check")).body(&body);
    let checked: Checked = context.client.send(check).await?.parse()?;
    Ok(checked.paths.into_iter().map(|path| (path.path, path.claims)).collect())
}
