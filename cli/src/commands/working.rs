//! The feature that a run works on, for commands that are called without one.

use crate::{args::values, client::Request, context::Context, error::Error, text::format};
use clap::Args;
use nexus_api_types::{feature::Feature, session::ProjectStatus};
use uuid::Uuid;

/// The feature that a command is about: named first, or with the flag that all of these commands have.
#[derive(Args)]
pub(super) struct NamedFeature {
    /// Slug of the feature; the one that you work on by default
    #[arg(value_name = "SLUG", value_parser = values::slug)]
    slug: Option<String>,
    /// The same as a flag
    #[arg(long, short, value_name = "SLUG", value_parser = values::slug, conflicts_with = "slug")]
    feature: Option<String>,
}

impl NamedFeature {
    /// The slug, if one was given.
    pub(super) fn slug(&self) -> Option<&str> {
        self.slug.as_deref().or(self.feature.as_deref())
    }
}

/// The slug that was given, or that of the only feature that this run works on.
///
/// # Errors
/// As [`feature`].
pub(super) async fn slug(context: &Context<'_>, project: Uuid, named: Option<&str>) -> Result<String, Error> {
    match named {
        Some(slug) => Ok(slug.to_owned()),
        None => Ok(feature(context, project, None).await?.slug),
    }
}

/// The feature that was named, or the only one that this run works on.
///
/// # Errors
/// When it works on none, or on several; when there is none of that name.
pub(super) async fn feature(
    context: &Context<'_>,
    project: Uuid,
    named: Option<&str>,
) -> Result<Feature, Error> {
    if let Some(slug) = named {
        return context
            .client
            .send(Request::get(format!("/projects/{project}/features/{slug}")))
            .await?
            .parse();
    }
    let mut own = active(context, project).await?;
    match own.len() {
        1 => Ok(own.remove(0)),
        0 => Err(Error::misused("you work on no feature, so it has to be named")
            .hint("-f SLUG names one; nexus feature list shows those there are")),
        _ => {
            let slugs: Vec<&str> = own.iter().map(|feature| feature.slug.as_str()).collect();
            Err(Error::misused(format!("you work on several features: {}", format::list(&slugs)))
                .hint("-f SLUG names one of them"))
        }
    }
}

/// The features that this run works on; where no run is to be seen, those of the engineer.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn active(context: &Context<'_>, project: Uuid) -> Result<Vec<Feature>, Error> {
    let status = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
    let status: ProjectStatus = status.parse()?;
    let features = status.active_features.into_iter();
    Ok(match context.client.session() {
        Some(session) => features.filter(|feature| feature.session_id == Some(session)).collect(),
        None => {
            let me = context.me().await?;
            features.filter(|feature| feature.claimed_by == Some(me)).collect()
        }
    })
}
