//! One step of a feature's life: the same request for all of them.

use crate::{
    client::{Answer, Request},
    context::Context,
    error::Error,
    spec::active::Active,
};
use nexus_api_types::feature::Feature;
use uuid::Uuid;

/// Takes the step; its name is that of the route.
pub(super) async fn take(
    context: &Context<'_>,
    project: Uuid,
    slug: &str,
    step: &str,
) -> Result<Answer, Error> {
    context.client.send(Request::post(format!("/projects/{project}/features/{slug}/{step}"))).await
}

/// Takes the step and says what the feature is now, and what may come next.
pub(super) async fn take_and_tell(
    context: &Context<'_>,
    slug: &str,
    step: &str,
    now: &str,
    next: &str,
) -> Result<(), Error> {
    let project = context.project().await?;
    let answer = take(context, project, slug, step).await?;
    tell(context, &answer, now, next)
}

/// Takes a step that ends the work of this run on the feature. A run that has worked before takes it as
/// its session: it does not finish what another agent of the same engineer holds.
pub(super) async fn end_work(
    context: &Context<'_>,
    slug: &str,
    step: &str,
    now: &str,
    next: &str,
) -> Result<(), Error> {
    let project = context.project().await?;
    context.tell_lost(project);
    context.session_of_before(project).await?;
    let answer = take(context, project, slug, step).await?;
    if let Some(active) = Active::of(project)? {
        active.remove(slug)?;
    }
    // A keeper that has nothing to keep any more goes.
    context.look_after(project);
    tell(context, &answer, now, next)
}

fn tell(context: &Context<'_>, answer: &Answer, now: &str, next: &str) -> Result<(), Error> {
    context
        .out
        .answer(answer, |feature: Feature| context.out.line(format_args!("{} {now}", feature.slug)))?;
    context.out.note(format_args!("Next: {next}"));
    Ok(())
}
