//! `nexus unclaim`: gives files back before the feature is over.

use crate::{client::Request, context::Context, error::Error, output::words, repository};
use clap::Args;
use nexus_api_types::claim::{ReleasePaths, Released};

/// Give files back
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus unclaim src/db.rs
  nexus unclaim --all")]
pub(crate) struct Unclaim {
    /// The paths, as they were claimed
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "PATH")]
    paths: Vec<String>,
    /// Everything that this session holds
    #[arg(long)]
    all: bool,
}

impl Unclaim {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let paths =
            self.paths.iter().map(|path| repository::from_root(path)).collect::<Result<Vec<_>, _>>()?;
        let project = context.project().await?;
        context.session_of_before(project).await?;
        let body = ReleasePaths { paths: (!self.all).then_some(paths) };
        let answer =
            context.client.send(Request::delete(format!("/projects/{project}/claims")).body(&body)).await?;
        context.look_after(project);
        context.out.answer(&answer, |released: Released| {
            if released.released.is_empty() {
                context.out.note("You held none of it: nexus claims --mine shows what you hold");
                return Ok(());
            }
            context.out.line(format_args!("Given back: {}", words::list(&released.released)))
        })
    }
}
