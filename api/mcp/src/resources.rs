//! The resources that an agent can read: the spec and the learnings of each feature, as Markdown.

use crate::{
    port::{self, Failure, Port, Request},
    refusal,
};
use nexus_api_types::{Page, feature::Feature, knowledge::Learning, session::ProjectStatus};
use rmcp::model::{Resource, ResourceTemplate};

const MARKDOWN: &str = "text/markdown";

/// Learnings that one resource contains at most: as many as a page.
const MAX_LEARNINGS: usize = 100;

/// The kinds of resources that a feature has.
#[derive(Clone, Copy)]
enum Kind {
    Spec,
    Learnings,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Spec, Self::Learnings];

    const fn name(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Learnings => "learnings",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Spec => "The description of the work",
            Self::Learnings => "Learnings of others, newest first",
        }
    }

    fn uri(self, slug: &str) -> String {
        format!("nexus://features/{slug}/{}", self.name())
    }

    /// The feature and the kind of resource that a URI names.
    fn parse(uri: &str) -> Option<(&str, Self)> {
        let (slug, name) = uri.strip_prefix("nexus://features/")?.split_once('/')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name)?;
        (!slug.is_empty()).then_some((slug, kind))
    }
}

/// The templates of the resources' URIs.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |kind: Kind| {
        ResourceTemplate::new(kind.uri("{slug}"), format!("feature-{}", kind.name()))
            .with_description(kind.description())
            .with_mime_type(MARKDOWN)
    };
    Kind::ALL.map(template).into()
}

/// Lists the resources of the features that are worked on.
///
/// # Errors
/// The refusal of the cluster, or why no server could be reached.
pub(crate) async fn list(port: &dyn Port) -> Result<Vec<Resource>, Failure> {
    let status: ProjectStatus = port::ask(port, Request::get("/status")).await?;
    let of_feature = |feature: &Feature| {
        Kind::ALL.map(|kind| {
            Resource::new(kind.uri(&feature.slug), format!("{}-{}", feature.slug, kind.name()))
                .with_title(feature.title.clone())
                .with_description(kind.description())
                .with_mime_type(MARKDOWN)
        })
    };
    Ok(status.active_features.iter().flat_map(of_feature).collect())
}

/// The text of a resource, and its media type; `None` when no resource has this URI.
///
/// # Errors
/// The refusal of the cluster, or why no server could be reached.
pub(crate) async fn read(port: &dyn Port, uri: &str) -> Result<Option<(String, &'static str)>, Failure> {
    let Some((slug, kind)) = Kind::parse(uri) else { return Ok(None) };
    let text = match kind {
        Kind::Spec => {
            let feature = port::feature(port, slug).await?;
            format!("# {}\n\n{}", feature.title, feature.spec)
        }
        Kind::Learnings => {
            let path = format!("/features/{}/learnings", port::segment(slug));
            let request = Request::get(path).limit(MAX_LEARNINGS);
            let page: Page<Learning> = port::ask(port, request).await?;
            let one = |learning: &Learning| {
                let (when, who) = (refusal::time(learning.created_at), &learning.engineer_name);
                format!("\n## {when} by {who}\n\n{}\n", learning.content.trim_end())
            };
            format!("# Learnings\n{}", page.items.iter().map(one).collect::<String>())
        }
    };
    Ok(Some((text, MARKDOWN)))
}
