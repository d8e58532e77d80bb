//! What an agent can read: of each feature its spec and what was learnt with it, as Markdown.

use crate::{
    port::{self, Failure, Port, Request},
    refusal,
};
use nexus_api_types::{Page, feature::Feature, knowledge::Learning, session::ProjectStatus};
use rmcp::model::{Resource, ResourceTemplate};

const MARKDOWN: &str = "text/markdown";

/// Learnings that one resource has: as many as a page.
const MAX_LEARNINGS: usize = 100;

/// What of a feature can be read.
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

    const fn words(self) -> &'static str {
        match self {
            Self::Spec => "What is to be done",
            Self::Learnings => "What others learnt, newest first",
        }
    }

    fn uri(self, slug: &str) -> String {
        format!("nexus://features/{slug}/{}", self.name())
    }

    /// The feature and the kind that an address names.
    fn parse(uri: &str) -> Option<(&str, Self)> {
        let (slug, name) = uri.strip_prefix("nexus://features/")?.split_once('/')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name)?;
        (!slug.is_empty()).then_some((slug, kind))
    }
}

/// The forms of the addresses.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |kind: Kind| {
        ResourceTemplate::new(kind.uri("{slug}"), format!("feature-{}", kind.name()))
            .with_description(kind.words())
            .with_mime_type(MARKDOWN)
    };
    Kind::ALL.map(template).into()
}

/// Those of the features that are worked on.
///
/// # Errors
/// What the cluster refuses, or why none could be asked.
pub(crate) async fn list(port: &dyn Port) -> Result<Vec<Resource>, Failure> {
    let status: ProjectStatus = port::ask(port, Request::get("/status")).await?;
    let of_feature = |feature: &Feature| {
        Kind::ALL.map(|kind| {
            Resource::new(kind.uri(&feature.slug), format!("{}-{}", feature.slug, kind.name()))
                .with_title(feature.title.clone())
                .with_description(kind.words())
                .with_mime_type(MARKDOWN)
        })
    };
    Ok(status.active_features.iter().flat_map(of_feature).collect())
}

/// The text at an address, and its type; none when it is none of ours.
///
/// # Errors
/// What the cluster refuses, or why none could be asked.
pub(crate) async fn read(port: &dyn Port, uri: &str) -> Result<Option<(String, &'static str)>, Failure> {
    let Some((slug, kind)) = Kind::parse(uri) else { return Ok(None) };
    let feature = format!("/features/{}", crate::tools::segment(slug));
    let text = match kind {
        Kind::Spec => {
            let feature: Feature = port::ask(port, Request::get(feature)).await?;
            format!("# {}\n\n{}", feature.title, feature.spec)
        }
        Kind::Learnings => {
            let asked = Request::get(format!("{feature}/learnings")).limit(MAX_LEARNINGS);
            let page: Page<Learning> = port::ask(port, asked).await?;
            let one = |learning: &Learning| {
                let (when, who) = (refusal::time(learning.created_at), &learning.engineer_name);
                format!("\n## {when} by {who}\n\n{}\n", learning.content.trim_end())
            };
            format!("# Learnings\n{}", page.items.iter().map(one).collect::<String>())
        }
    };
    Ok(Some((text, MARKDOWN)))
}
