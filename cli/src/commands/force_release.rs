//! `nexus force-release`: takes files away from whoever holds them.

use crate::{client::Request, context::Context, error::Error, repository, text::format};
use clap::Args;
use nexus_api_types::claim::{ForceRelease as Body, Released};

/// Take files away from whoever holds them
///
/// For leads and admins, where a holder cannot be asked: the session loses the claims on exactly these paths, and
/// is not stopped from writing. The reason is kept in the events of the project.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus force-release src/db.rs --reason \"ana is on leave\"
  nexus force-release src/db.rs docs/ --reason \"the machine was lost\"")]
pub(crate) struct ForceRelease {
    /// Paths as they were claimed, relative to the current folder as in git, or after :/ to the root of the repository
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Why, for the record
    #[arg(long, short, value_name = "TEXT")]
    reason: String,
}

impl ForceRelease {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let paths = repository::from_here(&self.paths)?;
        let project = context.project().await?;
        let body = Body { paths: paths.clone(), reason: self.reason };
        let request = Request::post(format!("/projects/{project}/claims/force-release")).body(&body);
        let answer = context.client.send(request).await?;
        let is_nothing = answer.parse::<Released>()?.released.is_empty();
        context.out.answer(&answer, |released: Released| match released.released.as_slice() {
            [] => Ok(()),
            paths => context.out.line(format_args!("Free now: {}", format::list(paths))),
        })?;
        if is_nothing {
            let message = format!("nobody holds exactly {}", format::list(&paths));
            return Err(Error::local(message).hint(
                "nexus why FILE shows the claim that a file falls under; nexus claims shows all of them",
            ));
        }
        context.out.note("Who held it may still write to it: tell them; nexus claim PATH takes it");
        Ok(())
    }
}
