//! `nexus feature pick`: takes a feature with all of its files, or nothing.

use crate::{
    args::words::{self as terms, Lane},
    client::Request,
    context::Context,
    error::Error,
    output::words,
};
use clap::Args;
use nexus_api_types::{
    claim::{Claim, Mode},
    feature::Picked,
};
use serde_json::json;

/// Take a feature with all of its files, or nothing
///
/// Either every path is yours, or the refusal says who holds which and until when.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus feature pick billing-api
  nexus feature pick --next
  nexus feature pick --next --lane now --lane next")]
pub(crate) struct Pick {
    /// The feature
    #[arg(value_parser = terms::slug, required_unless_present = "next", conflicts_with = "next")]
    slug: Option<String>,
    /// Take the best one that is free
    #[arg(long)]
    next: bool,
    /// With --next: only from these lanes
    #[arg(long, short, value_enum, requires = "next")]
    lane: Vec<Lane>,
}

impl Pick {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let features = format!("/projects/{project}/features");
        let request = match &self.slug {
            Some(slug) => Request::post(format!("{features}/{slug}/pick")),
            None => Request::post(format!("{features}/pick-next")).body(&self.lanes()),
        };
        context.tell_lost(project);
        context.session_for_work(project).await?;
        let answer = context.client.send(request).await?;
        context.look_after(project);
        context.out.answer(&answer, |picked: Picked| print(context, &picked))
    }

    fn lanes(&self) -> serde_json::Value {
        let names: Vec<_> = self.lane.iter().map(|lane| lane.name()).collect();
        if names.is_empty() { json!({}) } else { json!({ "lanes": names }) }
    }
}

fn print(context: &Context<'_>, picked: &Picked) -> Result<(), Error> {
    let out = context.out;
    let Picked { feature, claims } = picked;
    out.line(format_args!("Picked {}: {}", feature.slug, feature.title))?;
    for (mode, name) in [(Mode::Exclusive, "Yours alone"), (Mode::Shared, "Shared")] {
        let paths: Vec<&str> =
            claims.iter().filter(|claim| claim.mode == mode).map(|claim| claim.file_path.as_str()).collect();
        if !paths.is_empty() {
            out.field(name, format_args!("{}: {}", words::count(paths.len(), "path"), words::list(&paths)))?;
        }
    }
    if claims.is_empty() {
        out.field("Yours alone", "nothing: the feature names no files")?;
    }
    if let Some(fence) = feature.fence {
        out.field("Fence", fence)?;
    }
    if let Some(until) = claims.iter().map(|claim: &Claim| claim.expires_at).min() {
        out.field("Lease", format_args!("until {}, renewed by every request", out.clock().until(until)))?;
    }
    out.note(format_args!(
        "Next: nexus feature show {0} prints the spec; then nexus feature done {0}, or release {0}",
        feature.slug
    ));
    Ok(())
}
