//! Projects on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A project, without its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The id of the project.
    pub id: Uuid,
    /// The name of the project.
    pub name: String,
    /// The short name, which is unique in the cluster.
    pub slug: String,
    /// The URL of the repository.
    pub repo_url: Option<String>,
    /// The path of the project in the repository.
    pub repo_path: Option<String>,
    /// The branch that work starts from.
    pub default_branch: String,
    /// Whether names that differ in case alone are two files or one.
    #[serde(default)]
    pub case: Case,
    /// When it was created.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// Whether names of files that differ only in case are the same file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// `README.md` and `Readme.md` are two files.
    #[default]
    Sensitive,
    /// They are one file, since somebody's checkout lies on a file system that ignores case.
    Insensitive,
}

/// Body of `PATCH /projects/{project}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateProject {
    /// Whether case counts in the names of its files from now on. Any member may set `insensitive`, leads and admins
    /// also `sensitive`. Refused while two sessions hold paths that would become one file.
    pub case: Case,
}

/// A project with its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectDetail {
    /// The project's own fields.
    #[serde(flatten)]
    pub project: Project,
    /// The members of the project.
    pub members: Vec<Member>,
}

/// The role of a member in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Works on the project, and decides about its members.
    Lead,
    /// Works on the project.
    Member,
}

/// An engineer in a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The id of the engineer.
    pub engineer_id: Uuid,
    /// The role in the project.
    pub role: MemberRole,
    /// The name of the engineer.
    pub name: String,
    /// The e-mail address of the engineer.
    pub email: String,
}

/// Body of `POST /projects`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateProject {
    /// The name: 1 to 100 characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub name: String,
    /// The short name: 1 to 50 of `a-z`, `0-9`, `-`.
    #[schema(min_length = 1, max_length = 50, pattern = r"^[a-z0-9-]+$")]
    pub slug: String,
    /// The URL of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 2048,
        pattern = r"^[A-Za-z][A-Za-z0-9+.-]*:/*[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub repo_url: Option<String>,
    /// The path of the project in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub repo_path: Option<String>,
    /// The branch that work starts from; `main` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub default_branch: Option<String>,
}

/// Body of `POST …/members`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddMember {
    /// The id of the engineer.
    pub engineer_id: Uuid,
    /// The role in the project; `member` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// Answer of `DELETE …/members/{engineerId}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Always true. A failure has an error as its answer.
    pub removed: bool,
}
