//! Has a project ignore case where a checkout's file system does.

use crate::{
    answer::Answer,
    client::Request,
    context::Context,
    error::{Error, Report},
    git::Git,
};
use nexus_api_types::project::{Case, Project, UpdateProject};
use uuid::Uuid;

/// Sets whether a project ignores case in file names.
///
/// # Errors
/// When the cluster says no, as while two sessions hold what would be one file.
pub(super) async fn set(context: &Context<'_>, project: Uuid, case: Case) -> Result<Answer, Error> {
    let request = Request::patch(format!("/projects/{project}")).body(&UpdateProject { case });
    context.client.send(request).await
}

/// Makes the project ignore case if Git found that this checkout's file system does: `README.md` and `Readme.md` are
/// one file for whoever works here. It prints the change, or the reason why it failed; the checkout is linked in either
/// case.
pub(in crate::commands) async fn agree(context: &Context<'_>, project: &Project) {
    if project.case == Case::Insensitive || !ignores_case() {
        return;
    }
    match set(context, project.id, Case::Insensitive).await {
        Ok(_) => context.out.note(format_args!(
            "The file system of this checkout ignores case (core.ignorecase): from now on {} takes names that differ \
             in case alone for one file",
            project.slug
        )),
        Err(error) => {
            let report = Report::new(&error, context.out.clock());
            context.out.note(format_args!(
                "The file system of this checkout ignores case (core.ignorecase), and {} does not: {}",
                project.slug, report.message
            ));
            for line in report.lines {
                context.out.note(line);
            }
            context.out.note("Once that is given back: nexus project update --case insensitive");
        }
    }
}

fn ignores_case() -> bool {
    Git::here()
        .text(&["config", "--type=bool", "--get", "core.ignorecase"])
        .is_ok_and(|value| value == "true")
}
