//! `nexus claim`: takes files while one works.

use super::{paths, working};
use crate::{args::values, client::Request, context::Context, error::Error, text::format};
use clap::Args;
use nexus_api_types::claim::{ClaimPaths, Claimed, Mode};

/// Take files while you work: all of them, or none
///
/// Paths are relative to the current folder, as in git, or after :/ to the root of the repository. They are files,
/// folders (src/auth/) or globs in quotes; commas separate several. They belong to the feature that you work on, and
/// are free when it is over.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus claim src/db.rs docs/
  nexus claim 'src/**/*.sql' -f billing-api
  nexus claim :/Cargo.toml,:/Cargo.lock       # from any folder
  nexus claim --shared Cargo.toml")]
pub(crate) struct Claim {
    /// Paths to take
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Hold them together with other readers, so that nobody changes them meanwhile
    #[arg(long)]
    shared: bool,
    /// The feature that they belong to
    #[arg(long, short, value_name = "SLUG", value_parser = values::slug)]
    feature: Option<String>,
}

impl Claim {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let paths = paths::typed(context, &self.paths)?;
        let project = context.project().await?;
        context.session_for_work(project).await?;
        context.print_lost_claims(project);
        let feature = match &self.feature {
            Some(slug) => Some(working::feature(context, project, Some(slug)).await?),
            // With several features it is not clear which one is meant: the claims get none.
            None => Some(working::active(context, project).await?)
                .filter(|own| own.len() == 1)
                .and_then(|mut own| own.pop()),
        };
        let body = ClaimPaths {
            paths,
            mode: self.shared.then_some(Mode::Shared),
            feature_id: feature.as_ref().map(|feature| feature.id),
        };
        let claim = Request::post(format!("/projects/{project}/claims")).body(&body);
        let answer = context.send_in_session(project, claim).await?;
        let lifetime = context.keep_session_alive(project);
        let ends = answer.parse::<Claimed>()?.claims.iter().map(|claim| claim.expires_at).min();
        context.out.answer(&answer, |claimed: Claimed| {
            let paths: Vec<&str> = claimed.claims.iter().map(|claim| claim.file_path.as_str()).collect();
            context.out.line(format_args!("Yours: {}", format::list(&paths)))
        })?;
        let until = feature.map_or("nexus unclaim PATH gives them back".to_owned(), |feature| {
            format!("They are free when {} is over, or with nexus unclaim PATH", feature.slug)
        });
        context.out.note(until);
        if let Some(ends) = ends {
            context.out.note(format_args!("Lease: {}", context.describe(lifetime, ends)));
        }
        Ok(())
    }
}
