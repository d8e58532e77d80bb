//! Projects and who works on them.

use crate::{
    ids::{EngineerId, ProjectId},
    pattern::Case,
    short_text::{Label, Name, Slug},
    time::{Revision, WallTime},
};
use serde::{Deserialize, Serialize};

/// One codebase.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Project {
    /// Identity.
    pub id: ProjectId,
    /// Name for people.
    pub name: Name,
    /// Short name, at most 50 characters.
    pub slug: Slug,
    /// Where the repository is.
    pub repo_url: Option<Label>,
    /// Path of the project inside the repository.
    pub repo_path: Option<Label>,
    /// The branch that work starts from.
    pub default_branch: Label,
    /// Who made it.
    pub created_by: EngineerId,
    /// Creation.
    pub created_at: WallTime,
    /// Last change of the project itself.
    pub updated_at: WallTime,
    /// The entry that made it: nothing of it is older.
    pub made_at: Revision,
    /// Whether names that differ in case alone are one file in it.
    pub case: Case,
}

/// What a member may do in a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberRole {
    /// Also decides about members and forced releases.
    Lead,
    /// Works.
    Member,
}

impl MemberRole {
    /// Its name, as people and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Member => "member",
        }
    }
}

/// An engineer in a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The project.
    pub project: ProjectId,
    /// The engineer.
    pub engineer: EngineerId,
    /// Rights.
    pub role: MemberRole,
    /// Who took them in: its place is counted as theirs.
    pub added_by: EngineerId,
    /// Since when.
    pub since: WallTime,
}

/// A project that was deleted, while what belonged to it goes: a bounded part with each entry, since all at once
/// would hold everybody up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProjectDeletion {
    /// The project, which nobody sees any more.
    pub project: ProjectId,
    /// Who made it: it counts against their quota until nothing of it is left.
    pub made_by: EngineerId,
    /// The entry that took its last row; none while it has rows.
    pub rows_gone: Option<Revision>,
    /// Its events of earlier revisions are gone.
    pub events_from: Revision,
    /// As it was in the project: what is claimed is compared by it as long as it is there.
    pub case: Case,
}
