//! Projects on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Identity.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Short name.
    pub slug: String,
    /// Where the repository is.
    pub repo_url: Option<String>,
    /// Path in it.
    pub repo_path: Option<String>,
    /// The branch that work starts from.
    pub default_branch: String,
    /// Creation.
    pub created_at: Moment,
    /// Last change.
    pub updated_at: Moment,
}

/// A project with its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectDetail {
    /// The project.
    #[serde(flatten)]
    pub project: Project,
    /// Who works on it.
    pub members: Vec<Member>,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Also decides about members.
    Lead,
    /// Works.
    Member,
}

/// An engineer in a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The engineer.
    pub engineer_id: Uuid,
    /// Rights.
    pub role: MemberRole,
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

/// Body of `POST /projects`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateProject {
    /// 1 to 100 characters.
    pub name: String,
    /// 1 to 50 of `a-z`, `0-9`, `-`.
    pub slug: String,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_url: Option<String>,
    /// A path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_path: Option<String>,
    /// `main` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
}

/// Answer of `DELETE …/members/{engineerId}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Always true.
    pub removed: bool,
}
