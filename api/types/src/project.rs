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
    /// Whether names that differ in case alone are two files or one.
    #[serde(default)]
    pub case: Case,
    /// Creation.
    pub created_at: Moment,
    /// Last change.
    pub updated_at: Moment,
}

/// How the names of a project's files are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// `README.md` and `Readme.md` are two files.
    #[default]
    Sensitive,
    /// They are one file, since somebody's checkout lies on a file system that ignores case.
    Insensitive,
}

/// Changes a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateProject {
    /// How the names of its files are told apart from now on. Any member may set `insensitive`, leads and admins
    /// `sensitive`; refused while two sessions hold what would be one file.
    pub case: Case,
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
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub name: String,
    /// 1 to 50 of `a-z`, `0-9`, `-`.
    #[schema(min_length = 1, max_length = 50, pattern = r"^[a-z0-9-]+$")]
    pub slug: String,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 2048,
        pattern = r"^[A-Za-z][A-Za-z0-9+.-]*:/*[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub repo_url: Option<String>,
    /// A path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub repo_path: Option<String>,
    /// `main` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub default_branch: Option<String>,
}

/// Body of `POST …/members`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddMember {
    /// Whom.
    pub engineer_id: Uuid,
    /// As what; `member` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// Answer of `DELETE …/members/{engineerId}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Always true.
    pub removed: bool,
}
