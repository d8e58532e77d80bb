//! One step of a feature's life: the same request for all of them.

use crate::{
    answer::Answer, client::Request, commands::working, context::Context, error::Error, spec::active::Active,
};
use nexus_api_types::feature::Feature;
use std::path::PathBuf;
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
    print(context, &answer, now, next)
}

/// Takes a step that ends the work of this run on the feature. A run that has worked before takes it as
/// its session: it does not finish what another agent of the same engineer holds. Without a slug it is the only feature
/// that the run works on.
pub(super) async fn end_work(
    context: &Context<'_>,
    named: Option<&str>,
    step: &str,
    now: &str,
    next: &str,
) -> Result<(), Error> {
    let project = context.project().await?;
    context.previous_session(project).await?;
    context.print_lost_claims(project);
    let slug = working::slug(context, project, named).await?;
    let answer = take(context, project, &slug, step).await?;
    cleared_away(context, project, &answer);
    // A keep-alive process whose session holds nothing stops.
    context.keep_session_alive(project);
    print(context, &answer, now, next)
}

/// Takes the step that gives a feature up, whoever works on it.
pub(super) async fn give_up(
    context: &Context<'_>,
    slug: &str,
    step: &str,
    now: &str,
    next: &str,
) -> Result<(), Error> {
    let project = context.project().await?;
    let answer = take(context, project, slug, step).await?;
    cleared_away(context, project, &answer);
    print(context, &answer, now, next)
}

/// Removes the files of a feature. A failure is only noted, since the step is taken.
fn cleared_away(context: &Context<'_>, project: Uuid, answer: &Answer) {
    // The feature may have been named by its id.
    let slug = answer.parse::<Feature>().map(|feature| feature.slug);
    match slug.and_then(|slug| clear_away(project, &slug)) {
        Ok(None) => {}
        Ok(Some(folder)) => context
            .out
            .note(format_args!("{} stays: there are files in it that nexus did not write", folder.display())),
        Err(error) => context.out.note(format_args!("What was laid out is left: {error}")),
    }
}

/// Removes the files of a feature in this repository, if the repository is the project's. Returns the folder if it
/// stays.
///
/// # Errors
/// When the repository cannot be written to.
pub(in crate::commands) fn clear_away(project: Uuid, slug: &str) -> Result<Option<PathBuf>, Error> {
    Active::of(project)?.map_or(Ok(None), |active| active.remove(slug))
}

fn print(context: &Context<'_>, answer: &Answer, now: &str, next: &str) -> Result<(), Error> {
    context
        .out
        .answer(answer, |feature: Feature| context.out.line(format_args!("{} {now}", feature.slug)))?;
    context.out.note(format_args!("Next: {next}"));
    Ok(())
}
