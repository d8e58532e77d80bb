//! `nexus project update`: sets whether a project ignores case in file names.

use super::case;
use crate::{context::Context, error::Error};
use clap::{Args, ValueEnum};
use nexus_api_types::project::{Case, Project};

/// Change whether names that differ in case alone are one file
///
/// Any member may make the project ignore case, as linking does in a checkout whose file system ignores it. Leads and
/// admins may make it distinguish case again. The change is refused while two sessions hold files that would become
/// one.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project update --case insensitive    # README.md and Readme.md are one file
  nexus project update --case sensitive")]
pub(crate) struct Update {
    /// Whether README.md and Readme.md are two files or one
    #[arg(long)]
    case: CaseArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum CaseArg {
    /// They are two files
    Sensitive,
    /// They are one file
    Insensitive,
}

impl Update {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let case = match self.case {
            CaseArg::Sensitive => Case::Sensitive,
            CaseArg::Insensitive => Case::Insensitive,
        };
        let answer = case::set(context, project, case).await?;
        context.out.answer(&answer, |project: Project| {
            let meaning = match project.case {
                Case::Sensitive => "two files",
                Case::Insensitive => "one file",
            };
            let slug = project.slug;
            context.out.line(format_args!("In {slug}, names that differ in case alone are {meaning}"))
        })
    }
}
