//! Projects and their members.

use crate::{
    ids::{EngineerId, ProjectId},
    pattern::Case,
    short_text::{Label, Name, Slug},
    time::{Revision, WallTime},
};
use serde::{Deserialize, Serialize};

/// One codebase, with the people and agents who work on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Project {
    /// The project's id.
    pub id: ProjectId,
    /// The name that people see.
    pub name: Name,
    /// The name in addresses, unique in the cluster, at most 50 characters.
    pub slug: Slug,
    /// The URL of the repository.
    pub repo_url: Option<Label>,
    /// The path of the project inside the repository.
    pub repo_path: Option<Label>,
    /// The branch that work starts from.
    pub default_branch: Label,
    /// The engineer who created it.
    pub created_by: EngineerId,
    /// The wall time at which it was created.
    pub created_at: WallTime,
    /// The wall time of the last change of the project itself.
    pub updated_at: WallTime,
    /// The entry that created it: none of its events is older.
    pub made_at: Revision,
    /// How names that differ in case alone are compared.
    pub case: Case,
}

/// The role of an engineer in a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberRole {
    /// May also change members, force releases and delete the project.
    Lead,
    /// May work in the project.
    Member,
}

impl MemberRole {
    /// The role's name, as people and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Member => "member",
        }
    }
}

/// The membership of an engineer in a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The project that the engineer is a member of.
    pub project: ProjectId,
    /// The engineer who is the member.
    pub engineer: EngineerId,
    /// The role in the project.
    pub role: MemberRole,
    /// The lead who added them. The membership counts against this engineer's quota.
    pub added_by: EngineerId,
    /// The wall time at which they were added.
    pub since: WallTime,
}

/// A deleted project whose rows, texts and events are being removed: a bounded part with each entry, since removing all
/// of them at once would delay every other write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProjectDeletion {
    /// The project. No client sees it any more.
    pub project: ProjectId,
    /// The engineer who created it. It counts against their quota until nothing of it is left.
    pub made_by: EngineerId,
    /// The entry that removed its last row; `None` while it has rows.
    pub rows_gone: Option<Revision>,
    /// Its events before this revision are removed.
    pub events_from: Revision,
    /// The project's case rule: claims that are left are compared by it.
    pub case: Case,
}
