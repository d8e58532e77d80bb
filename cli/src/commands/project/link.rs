//! `nexus project link`: says which project this repository is.

use super::case;
use crate::{answer::Answer, args::values, config::link, context::Context, error::Error, text::format::list};
use clap::Args;
use nexus_api_types::project::Project;
use serde_json::json;

/// Link this repository to a project
///
/// Writes .nexus.json to the root of the repository: commit it, so that everybody's commands find
/// the project from any folder below.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project link billing
  nexus project link 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf
  nexus project link            # the only project you are in")]
pub(crate) struct Link {
    /// The project, by slug or id; may be left out if you are in only one
    #[arg(value_name = "PROJECT", value_parser = values::slug)]
    project: Option<String>,
}

impl Link {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = match &self.project {
            Some(named) => context.project_named(named).await?,
            None => the_only_one(context.projects().await?)?,
        };
        let path = link::write(&project)?;
        context.out.answer(&Answer::new(json!(project)), |project: Project| {
            context.out.line(format_args!("Linked to {}: {}", project.slug, project.name))
        })?;
        context.out.note(format_args!(
            "Written to {}: commit it, so that everybody's commands find the project",
            path.display()
        ));
        case::agree(context, &project).await;
        Ok(())
    }
}

fn the_only_one(mut projects: Vec<Project>) -> Result<Project, Error> {
    match (projects.pop(), projects.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => Err(Error::local("you are in no project")
            .hint("nexus project create -n NAME -s SLUG makes one, or a lead adds you")),
        (Some(last), _) => {
            projects.push(last);
            let slugs: Vec<&str> = projects.iter().map(|project| project.slug.as_str()).collect();
            Err(Error::misused(format!("you are in {} projects: {}", slugs.len(), list(&slugs)))
                .hint("nexus project link SLUG names one of them"))
        }
    }
}
