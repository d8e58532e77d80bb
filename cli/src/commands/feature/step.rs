//! One step of a feature's life: the same request for all of them.

use crate::{
    client::{Answer, Request},
    context::Context,
    error::Error,
};
use nexus_api_types::feature::Feature;

/// Takes the step; its name is that of the route. A run that has worked before takes it as its session: it
/// does not finish what another agent of the same engineer holds.
pub(super) async fn take(context: &Context<'_>, slug: &str, step: &str) -> Result<Answer, Error> {
    let project = context.project().await?;
    context.session_of_before(project).await?;
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
    let answer = take(context, slug, step).await?;
    context
        .out
        .answer(&answer, |feature: Feature| context.out.line(format_args!("{} {now}", feature.slug)))?;
    context.out.note(format_args!("Next: {next}"));
    Ok(())
}
