//! `nexus project create`: makes a project and links this repository to it.

use super::case;
use crate::{answer::Answer, args::values, client::Request, config::link, context::Context, error::Error};
use clap::Args;
use nexus_api_types::project::{CreateProject, Project};
use std::path::PathBuf;

/// Make a project, led by you, and link this repository to it
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project create --name Billing --slug billing
  nexus project create -n Billing -s billing --repo-url https://example.com/billing.git
  nexus project create -n Shop -s shop --no-link")]
pub(crate) struct Create {
    /// Name that people see
    #[arg(long, short)]
    name: String,
    /// Short name, of a-z, 0-9 and -
    #[arg(long, short, value_parser = values::slug)]
    slug: String,
    /// URL of the repository
    #[arg(long, value_name = "URL")]
    repo_url: Option<String>,
    /// Path of the project in the repository
    #[arg(long, value_name = "PATH")]
    repo_path: Option<String>,
    /// Branch that work starts from
    #[arg(long, value_name = "BRANCH")]
    default_branch: Option<String>,
    /// Leave this repository as it is
    #[arg(long)]
    no_link: bool,
}

/// Makes a project and links this repository to it, with nothing else said about it.
///
/// # Errors
/// When the repository is linked already, or the cluster says no.
pub(in crate::commands) async fn make(
    context: &Context<'_>,
    name: String,
    slug: String,
) -> Result<Made, Error> {
    let bare = Create { name, slug, repo_url: None, repo_path: None, default_branch: None, no_link: false };
    bare.make(context).await
}

impl Create {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        self.make(context).await?.print(context)?;
        context.out.note("Next: nexus feature create -s SLUG -t TITLE --touches PATH");
        Ok(())
    }

    async fn make(self, context: &Context<'_>) -> Result<Made, Error> {
        // Before the project is made: one that nothing is linked to would be left behind.
        if let Some(found) = link::find()?.filter(|_| !self.no_link) {
            return Err(Error::misused(format!(
                "this repository is linked to {} already",
                found.link.name()
            ))
            .hint("nexus project unlink first, or --no-link to make the project alone"));
        }
        let body = CreateProject {
            name: self.name,
            slug: self.slug,
            repo_url: self.repo_url,
            repo_path: self.repo_path,
            default_branch: self.default_branch,
        };
        let answer = context.client.send(Request::post("/projects").body(&body)).await?;
        let linked = if self.no_link {
            None
        } else {
            let project = answer.parse()?;
            let path = link::write(&project)?;
            case::agree(context, &project).await;
            Some(path)
        };
        Ok(Made { answer, linked })
    }
}

/// A project that was made.
pub(in crate::commands) struct Made {
    answer: Answer,
    /// The file that links this repository to it.
    linked: Option<PathBuf>,
}

impl Made {
    /// The project.
    ///
    /// # Errors
    /// When the server is of another version.
    pub(in crate::commands) fn project(&self) -> Result<Project, Error> {
        self.answer.parse()
    }

    /// Prints it.
    ///
    /// # Errors
    /// When the output was closed.
    pub(in crate::commands) fn print(&self, context: &Context<'_>) -> Result<(), Error> {
        context.out.answer(&self.answer, |project: Project| {
            context.out.line(format_args!("Made project {}: {}", project.slug, project.name))
        })?;
        if let Some(path) = &self.linked {
            context.out.note(format_args!(
                "Linked by {}: commit it, so that everybody's commands find the project",
                path.display()
            ));
        }
        Ok(())
    }
}
