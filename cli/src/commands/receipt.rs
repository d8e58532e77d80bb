//! `nexus receipt`: prints the trailer of a commit, for tools that make commits without Git's hooks.

use crate::{
    answer::Answer,
    context::Context,
    error::Error,
    git::{self, Git},
    guard::{checkout::LinkedCheckout, receipt::Receipt},
    repository,
};
use clap::Args;
use serde_json::{Value, json};
use std::env;

/// Print the receipt of a commit: the session and the fence that hold its files
///
/// Without paths, it is about the staged files, or, where nothing is staged, about those of the last commit. The
/// commit-msg hook of nexus install git adds this line to each message by itself; this is for tools that make commits
/// without Git's hooks. nexus verify checks it later.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus receipt
  nexus receipt src/db.rs src/billing/
  git commit --no-verify -m \"A column more\" --trailer \"$(nexus receipt)\"

Exit codes: 0 printed, 1 the acting session holds none of these files, 2 misused,
3 no server could do it")]
pub(crate) struct PrintReceipt {
    /// Paths, relative to the current folder as in git, or after :/ to the root of the repository
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

impl PrintReceipt {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let names = if self.paths.is_empty() { next_or_last()? } else { repository::from_here(&self.paths)? };
        let receipt = Receipt::for_files(context, project, &names).await?.ok_or_else(|| {
            Error::local("the acting session holds none of these files")
                .hint("nexus whoami shows who acts; nexus claim PATH takes files")
        })?;
        let answer = Answer::new(json!({ "sessionId": receipt.session, "fence": receipt.fence }));
        context.out.answer(&answer, |_: Value| context.out.line(receipt))
    }
}

/// The files of the next commit or of the last one, as the cluster names them.
fn next_or_last() -> Result<Vec<String>, Error> {
    let here = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
    let git = Git::at(&here);
    let checkout = LinkedCheckout::of(&here)?.ok_or_else(|| {
        Error::misused("this repository is not linked to a project").hint("nexus project link SLUG links it")
    })?;
    let top = git.top().unwrap_or_else(|_| checkout.root.clone());
    let files = git::in_tree(&top, git::being_made(&git)?.0);
    let names: Vec<String> = files.iter().flat_map(|path| checkout.names(path)).collect();
    if names.is_empty() {
        return Err(Error::misused("nothing is staged, and there is no commit")
            .hint("git add FILE stages it, or name the paths"));
    }
    Ok(names)
}
