//! Converts features to wire types.

use super::claim::conflict;
use nexus_api_types::feature as wire;
use nexus_domain::{
    Document, DocumentKey,
    entity::{Feature, Lane, Status},
    refusal::{Blocked, Blocker},
};
use std::sync::Arc;

/// The document keys of features' specs.
pub(crate) fn spec_keys<'a>(features: impl IntoIterator<Item = &'a Arc<Feature>>) -> Vec<DocumentKey> {
    features.into_iter().map(|feature| DocumentKey::Spec(feature.project, feature.id)).collect()
}

/// The texts of specs; empty for a missing one.
pub(crate) fn specs(documents: Vec<Option<Document>>) -> impl Iterator<Item = String> {
    documents.into_iter().map(|document| match document {
        Some(Document::Spec(text)) => text.to_string(),
        _ => String::new(),
    })
}

/// A lane as a wire type.
pub(crate) const fn lane(lane: Lane) -> wire::Lane {
    match lane {
        Lane::Now => wire::Lane::Now,
        Lane::Next => wire::Lane::Next,
        Lane::Later => wire::Lane::Later,
        Lane::Icebox => wire::Lane::Icebox,
    }
}

/// Parses the name of a status.
pub(crate) fn status_from(name: &str) -> Result<&'static str, String> {
    let names = ["draft", "ready", "active", "done", "cancelled"];
    let found = names.into_iter().find(|known| *known == name);
    found.ok_or_else(|| "must be draft, ready, active, done or cancelled".to_owned())
}

/// A feature with its spec.
pub(crate) fn feature(feature: &Feature, spec: String) -> wire::Feature {
    let paths =
        |patterns: &[nexus_domain::pattern::Pattern]| patterns.iter().map(ToString::to_string).collect();
    let mut wire = wire::Feature {
        id: feature.id.0,
        project_id: feature.project.0,
        slug: feature.slug.to_string(),
        title: feature.title.to_string(),
        spec,
        status: wire::Status::Draft,
        lane: lane(feature.lane),
        priority: feature.priority,
        touches: paths(&feature.touches),
        created_by: feature.created_by.0,
        claimed_by: None,
        claimed_at: None,
        completed_at: None,
        created_at: feature.created_at.into(),
        updated_at: feature.updated_at.into(),
        session_id: None,
        agent: None,
        fence: None,
        depends_on: feature.depends_on.iter().map(ToString::to_string).collect(),
        reads: paths(&feature.reads),
        interrupted_at: None,
    };
    match &feature.status {
        Status::Draft => {}
        Status::Ready { interrupted_at } => {
            wire.status = wire::Status::Ready;
            wire.interrupted_at = interrupted_at.map(Into::into);
        }
        Status::Active { holder, claimed_at, fence } => {
            wire.status = wire::Status::Active;
            wire.claimed_by = Some(holder.engineer.0);
            wire.claimed_at = Some((*claimed_at).into());
            wire.session_id = Some(holder.session.0);
            wire.agent = holder.agent.as_ref().map(ToString::to_string);
            wire.fence = Some(fence.0);
        }
        Status::Done { holder, claimed_at, completed_at } => {
            wire.status = wire::Status::Done;
            wire.claimed_by = Some(holder.engineer.0);
            wire.claimed_at = Some((*claimed_at).into());
            wire.completed_at = Some((*completed_at).into());
            wire.session_id = Some(holder.session.0);
            wire.agent = holder.agent.as_ref().map(ToString::to_string);
        }
        Status::Cancelled => wire.status = wire::Status::Cancelled,
    }
    wire
}

/// What blocks a feature.
pub(crate) fn blocked_by(blocker: &Blocker) -> wire::BlockedBy {
    match blocker {
        Blocker::Dependencies(open) => wire::BlockedBy {
            depends_on: open.iter().map(ToString::to_string).collect(),
            ..wire::BlockedBy::default()
        },
        Blocker::Claim(found) => {
            let found = conflict(found);
            let by = found.claimed_by;
            wire::BlockedBy {
                engineer_id: Some(by.engineer_id),
                engineer_name: Some(by.engineer_name),
                feature_slug: by.feature_slug,
                session_id: Some(by.session_id),
                agent: by.agent,
                file_path: Some(found.file_path),
                expires_at: Some(by.expires_at),
                depends_on: Vec::new(),
            }
        }
    }
}

/// A feature that could not be picked.
pub(crate) fn blocked(blocked: &Blocked) -> wire::Blocked {
    wire::Blocked { feature_slug: blocked.slug.to_string(), blocked_by: blocked_by(&blocked.by) }
}
