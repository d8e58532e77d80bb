//! `nexus why`: who holds a file, since when, for what, and how to get it.

use super::paths;
use crate::{
    answer::Answer, client::Request, context::Context, error::Error, repository::as_typed, text::format,
};
use clap::Args;
use nexus_api_types::{
    claim::{CheckPaths, Checked, CheckedPath, Claim, Mode, Standing},
    feature::Feature,
    session::ProjectStatus,
};
use serde::Deserialize;
use serde_json::json;

/// Show who holds a file, since when, for what, and how to get it
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus why src/db.rs
  nexus why src/auth/ docs/guide.md --json")]
pub(crate) struct Why {
    /// Paths, relative to the current folder as in git, or after :/ to the root of the repository
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

impl Why {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let paths = paths::typed(context, &self.paths)?;
        let project = context.project().await?;
        let check = Request::post(format!("/projects/{project}/claims/check"))
            .body(&CheckPaths { paths, fence: None });
        let checked: Checked = context.client.send(check).await?.parse()?;
        let status = Request::get(format!("/projects/{project}/status"));
        let status: ProjectStatus = context.client.send(status).await?.parse()?;
        let features = status.active_features;
        let answer =
            Answer::new(json!({ "paths": checked.paths, "features": involved(&checked, &features) }));
        context.out.answer(&answer, |answer: ClaimsAndFeatures| {
            answer.paths.iter().try_for_each(|path| print(context, path, &answer.features))
        })
    }
}

/// The answer that is printed: the paths, and the features that their holders work on.
#[derive(Deserialize)]
struct ClaimsAndFeatures {
    paths: Vec<CheckedPath>,
    features: Vec<Feature>,
}

/// The features that the holders work on.
fn involved<'a>(checked: &Checked, features: &'a [Feature]) -> Vec<&'a Feature> {
    let ids: Vec<_> =
        checked.paths.iter().flat_map(|path| &path.claims).filter_map(|claim| claim.feature_id).collect();
    features.iter().filter(|feature| ids.contains(&feature.id)).collect()
}

fn print(context: &Context<'_>, path: &CheckedPath, features: &[Feature]) -> Result<(), Error> {
    let out = context.out;
    let name = &path.path;
    match path.standing {
        Standing::Free => {
            out.line(format_args!("{name} is free"))?;
            out.note(format_args!("Next: nexus claim {} takes it", format::quoted(&as_typed(name))));
        }
        Standing::Mine => {
            out.line(format_args!("{name} is yours"))?;
            path.claims.iter().try_for_each(|claim| print_claim(context, claim, features))?;
        }
        Standing::Held => {
            let shared = path.claims.iter().all(|claim| claim.mode == Mode::Shared);
            out.line(format_args!("{name} is {}", if shared { "held by readers" } else { "held" }))?;
            path.claims.iter().try_for_each(|claim| print_claim(context, claim, features))?;
            let feature = path.claims.iter().find_map(|claim| feature(claim, features));
            out.note(match feature {
                Some(feature) => format!(
                    "It is free when {} is done or given back, or its holder is gone: nexus watch tells; nexus feature available shows what is free of it",
                    feature.slug
                ),
                None => "It is free when its holder gives it back, or is gone: nexus watch tells".to_owned(),
            });
        }
    }
    Ok(())
}

fn print_claim(context: &Context<'_>, claim: &Claim, features: &[Feature]) -> Result<(), Error> {
    let out = context.out;
    let clock = out.clock();
    out.field(
        "Claim",
        format_args!("{}{}", claim.file_path, if claim.mode == Mode::Shared { ", shared" } else { "" }),
    )?;
    out.field("Holder", format::holder(&claim.engineer_name, claim.agent.as_deref(), &claim.holder))?;
    if let Some(feature) = feature(claim, features) {
        out.field("For", format_args!("{}: {}", feature.slug, feature.title))?;
    }
    out.field("Since", format_args!("{} ({})", clock.short(claim.claimed_at), clock.ago(claim.claimed_at)))?;
    out.field("Until", format::lease(claim.expires_at, &claim.holder, clock))
}

fn feature<'a>(claim: &Claim, features: &'a [Feature]) -> Option<&'a Feature> {
    features.iter().find(|feature| Some(feature.id) == claim.feature_id)
}
