//! The knowledge about a feature, as it is written into the repository beside its spec.

use super::pages::pages;
use crate::{client::Request, context::Context, error::Error, spec::active::Active};
use nexus_api_types::{
    Page,
    knowledge::{Decision, Learning},
};
use uuid::Uuid;

/// The number of newest items that are written to files. `nexus search` finds older ones.
const LAID_OUT: usize = 200;

/// The newest learnings of a feature.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn learnings(
    context: &Context<'_>,
    project: Uuid,
    slug: &str,
) -> Result<Vec<Learning>, Error> {
    let request = Request::get(format!("/projects/{project}/features/{slug}/learnings"));
    let page: Page<Learning> = pages(context, request, LAID_OUT, None).await?.parse()?;
    Ok(page.items)
}

/// The newest decisions about a feature.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn decisions(
    context: &Context<'_>,
    project: Uuid,
    slug: &str,
) -> Result<Vec<Decision>, Error> {
    let request = Request::get(format!("/projects/{project}/decisions")).query("feature", Some(slug));
    let page: Page<Decision> = pages(context, request, LAID_OUT, None).await?.parse()?;
    Ok(page.items)
}

/// Brings what is laid out of a feature up to date after it was learnt.
pub(super) async fn lay_out_learnings(context: &Context<'_>, project: Uuid, slug: &str) {
    let done = async {
        let Some(active) = Active::of(project)?.filter(|active| active.has(slug)) else { return Ok(()) };
        active.add_learnings(slug, &learnings(context, project, slug).await?)
    };
    print(context, done.await);
}

/// Brings what is laid out of a feature up to date after it was decided.
pub(super) async fn lay_out_decisions(context: &Context<'_>, project: Uuid, slug: &str) {
    let done = async {
        let Some(active) = Active::of(project)?.filter(|active| active.has(slug)) else { return Ok(()) };
        active.add_decisions(slug, &decisions(context, project, slug).await?)
    };
    print(context, done.await);
}

/// It is kept in the cluster all the same: the command has done what it should.
fn print(context: &Context<'_>, done: Result<(), Error>) {
    if let Err(error) = done {
        context.out.note(format_args!("What is laid out in the repository stays as it was: {error}"));
    }
}
