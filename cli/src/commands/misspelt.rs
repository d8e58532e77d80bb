//! Adds to a refusal what was probably meant: the feature whose slug is spelled most alike, in the same project.

use super::pages::pages;
use crate::{client::Request, context::Context, error::Error, text::similar};
use nexus_api_types::{Page, envelope::MissingResource, feature::Feature};
use std::time::Duration;

/// Features that are compared with a misspelt slug.
const MAX_FEATURES: usize = 300;

/// Longest wait for the features of a project: whoever mistyped a slug waits for the hint.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The same failure. If it says that a feature does not exist, it names the one that was probably meant.
pub(super) async fn with_nearest(mut error: Error, context: &Context<'_>) -> Error {
    if let Error::Refused(refused) = &mut error
        && refused.missing() == Some(MissingResource::Feature)
    {
        refused.named_project = context.named_project().map(str::to_owned);
        let nearest = tokio::time::timeout(LONGEST_WAIT, nearest(context, &refused.path)).await;
        refused.nearest = nearest.ok().flatten();
    }
    error
}

/// The slug of a feature that is spelled most like the one in the route of a request. A failure is none: the refusal
/// is what counts.
async fn nearest(context: &Context<'_>, path: &str) -> Option<String> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (project, slug) = match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
        ("projects", project, "features" | "finished" | "roadmap", slug) => (project, slug),
        _ => return None,
    };
    let request = Request::get(format!("/projects/{project}/features"));
    let features = pages(context, request, MAX_FEATURES, None).await.ok()?.parse::<Page<Feature>>().ok()?;
    similar::nearest(features.items, |feature| &feature.slug, slug).map(|feature| feature.slug)
}
