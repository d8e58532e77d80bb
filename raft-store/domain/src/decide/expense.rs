//! The commands that may take much work to decide: many paths, wild patterns, or many claims.

use crate::{ids::ProjectId, pattern::Pattern, state::State};

/// Fewer plain paths, or claims in a project, than this are never expensive: they take some tenths of a millisecond.
const MANY: usize = 200;

/// Whether comparing these paths with all held ones may be expensive.
pub(crate) fn are_expensive<'a>(paths: impl Iterator<Item = &'a Pattern>) -> bool {
    paths.enumerate().any(|(at, path)| at >= MANY || path.is_wild())
}

/// Whether a command that iterates over all claims of a project may be expensive.
pub(crate) fn iterates_many_claims(state: &State, project: ProjectId) -> bool {
    state.claim_count_in(project) >= MANY
}
