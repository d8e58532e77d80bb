//! Shortened lists for the tools of agents: without specs, and only as long as a tool reads. A full list may have many
//! megabytes, of which a tool would show the same.

use nexus_api_types::feature::{self as wire, BlockedBy};
use nexus_domain::{
    EngineerId,
    entity::{Feature, Status},
};
use std::sync::Arc;

/// Marks a request for a list as one of a tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief;

/// Features of one list, of at most about 1.5 KB each without their paths. A tool shows 50 of them, and the number of
/// the others.
const MAX_FEATURES: usize = 500;
/// The first features of a list have paths, and this many of each: as many as a tool shows.
const MAX_WITH_PATHS: usize = 50;
const MAX_PATHS: usize = 50;
/// Sessions of one list, which give the names of engineers.
pub(crate) const MAX_SESSIONS: usize = 500;
/// Claims of one list, of at most about 1.5 KB each. A tool shows 50 of them.
pub(crate) const MAX_CLAIMS: usize = 1_000;

/// The feature at position `at` of a list.
fn feature(at: usize, feature: &Feature) -> wire::Feature {
    let paths = if at < MAX_WITH_PATHS { MAX_PATHS } else { 0 };
    let cut = Feature {
        touches: feature.touches.iter().take(paths).cloned().collect(),
        reads: feature.reads.iter().take(paths).cloned().collect(),
        depends_on: feature.depends_on.iter().take(paths).cloned().collect(),
        ..feature.clone()
    };
    wire::Feature::of(&cut, String::new())
}

/// Features that can be picked, followed by those that cannot.
pub(crate) fn available(
    free: &[&Arc<Feature>],
    blocked: &[(&Arc<Feature>, BlockedBy)],
) -> Vec<wire::Available> {
    let free = free.iter().take(MAX_FEATURES).enumerate();
    let free = free.map(|(at, of)| wire::Available { feature: feature(at, of), blocked_by: None });
    let blocked = blocked.iter().take(MAX_FEATURES).enumerate();
    let blocked = blocked
        .map(|(at, (of, by))| wire::Available { feature: feature(at, of), blocked_by: Some(by.clone()) });
    free.chain(blocked).collect()
}

/// Features in their order. When the list is cut, those that `asker` holds come first.
pub(crate) fn features(mut found: Vec<&Arc<Feature>>, asker: EngineerId) -> Vec<wire::Feature> {
    if found.len() > MAX_FEATURES {
        let is_own = |feature: &Feature| match &feature.status {
            Status::Active { holder, .. } => holder.engineer == asker,
            Status::Draft | Status::Ready { .. } | Status::Done { .. } | Status::Cancelled => false,
        };
        found.sort_by_key(|feature| !is_own(feature));
    }
    found.into_iter().take(MAX_FEATURES).enumerate().map(|(at, of)| feature(at, of)).collect()
}
