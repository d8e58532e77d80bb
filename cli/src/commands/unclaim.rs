//! `nexus unclaim`: gives files back before the feature is over.

use crate::{client::Request, context::Context, error::Error, repository, text::format};
use clap::Args;
use nexus_api_types::claim::{Claim, ReleasePaths, Released};

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
    /// Give back everything that this session holds
    #[arg(long)]
    all: bool,
}

impl Unclaim {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let paths = repository::from_here(&self.paths)?;
        let project = context.project().await?;
        context.previous_session(project).await?;
        let body = ReleasePaths { paths: (!self.all).then(|| paths.clone()) };
        let answer =
            context.client.send(Request::delete(format!("/projects/{project}/claims")).body(&body)).await?;
        context.keep_session_alive(project);
        let is_nothing = answer.parse::<Released>()?.released.is_empty();
        context.out.answer(&answer, |released: Released| match released.released.as_slice() {
            [] => Ok(()),
            paths => context.out.line(format_args!("Given back: {}", format::list(paths))),
        })?;
        if !is_nothing {
            return Ok(());
        }
        let mine = Request::get(format!("/projects/{project}/claims/mine"));
        let mine: Vec<Claim> = context.client.send(mine).await?.parse()?;
        let stays = mine.iter().any(|claim| self.all || paths.contains(&claim.file_path));
        if stays {
            let message = "it belongs to the feature that you work on";
            return Err(Error::local(message).hint("nexus feature done or release gives it back"));
        }
        if self.all {
            context.out.note("You hold nothing");
            return Ok(());
        }
        let message = format!("{} is not held by this session", format::list(&paths));
        Err(Error::local(message)
            .hint("nexus claims --mine shows what it holds; nexus why FILE says who else does"))
    }
}
