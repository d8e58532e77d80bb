//! Projects on the wire.

use crate::{
    Moment,
    body::{EngineerRef, PRINTABLE, SLUG, TextField, Unknown, body, text_schema, words},
};
use nexus_domain::{
    State, entity, pattern,
    short_text::{Label, MAX_PROJECT_SLUG, Name, ShortTextError, Slug},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};
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

impl From<&entity::Project> for Project {
    fn from(project: &entity::Project) -> Self {
        Self {
            id: project.id.0,
            name: project.name.to_string(),
            slug: project.slug.to_string(),
            repo_url: project.repo_url.as_ref().map(ToString::to_string),
            repo_path: project.repo_path.as_ref().map(ToString::to_string),
            default_branch: project.default_branch.to_string(),
            case: project.case.into(),
            created_at: project.created_at.into(),
            updated_at: project.updated_at.into(),
        }
    }
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

words!(pattern::Case = Case, "must be sensitive or insensitive": Sensitive, Insensitive);

body! {
    /// Body of `PATCH /projects/{project}`.
    pub struct UpdateProject => CheckedUpdateProject, Unknown::Refused {
        /// Whether case counts in the names of its files from now on. Any member may set `insensitive`, leads and
        /// admins also `sensitive`. Refused while two sessions hold paths that would become one file.
        case: pattern::Case,
    }
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

words!(entity::MemberRole = MemberRole, "must be lead or member": Lead, Member);

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

impl Member {
    /// A member with their name and address.
    pub fn of(state: &State, member: &entity::Member) -> Self {
        let engineer = state.engineer(member.engineer);
        Self {
            engineer_id: member.engineer.0,
            role: member.role.into(),
            name: engineer.map(|engineer| engineer.name.to_string()).unwrap_or_default(),
            email: engineer.map(|engineer| engineer.email.to_string()).unwrap_or_default(),
        }
    }
}

/// The short name of a project.
pub struct ProjectSlug(pub Slug);

impl TextField for ProjectSlug {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        let actual = text.chars().count();
        if actual > MAX_PROJECT_SLUG {
            return Err(ShortTextError::Length { min: 1, max: MAX_PROJECT_SLUG, actual }.to_string());
        }
        Slug::from_text(text).map(Self)
    }

    fn text_schema() -> RefOr<Schema> {
        text_schema(Some(1), MAX_PROJECT_SLUG, SLUG)
    }
}

/// The URL of a repository.
pub struct RepoUrl(pub Label);

impl TextField for RepoUrl {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        let form = "must be a URL such as https://example.com/repo.git";
        let (scheme, rest) = text.split_once(':').ok_or(form)?;
        let mut letters = scheme.chars();
        let scheme_ok = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
        if !scheme_ok || rest.trim_start_matches('/').is_empty() || text.contains(char::is_whitespace) {
            return Err(form.to_owned());
        }
        Label::from_text(text).map(Self)
    }

    fn text_schema() -> RefOr<Schema> {
        let form =
            r"^[A-Za-z][A-Za-z0-9+.-]*:/*[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*$";
        text_schema(None, 2048, form)
    }
}

/// The name of a branch.
pub struct BranchName(pub Label);

impl TextField for BranchName {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        Label::from_text(text).map(Self)
    }

    fn text_schema() -> RefOr<Schema> {
        text_schema(Some(1), 2048, PRINTABLE)
    }
}

body! {
    /// Body of `POST /projects`.
    pub struct CreateProject => CheckedCreateProject, Unknown::Ignored {
        /// The name: 1 to 100 characters.
        name: Name,
        /// The short name: 1 to 50 of `a-z`, `0-9`, `-`.
        slug: ProjectSlug,
        /// The URL of the repository.
        repo_url "repoUrl": Option<RepoUrl>,
        /// The path of the project in the repository.
        repo_path "repoPath": Option<Label>,
        /// The branch that work starts from; `main` when absent.
        default_branch "defaultBranch": Option<BranchName>,
    }
}

body! {
    /// Body of `POST …/members`.
    pub struct AddMember => CheckedAddMember, Unknown::Ignored {
        /// The engineer, by id, e-mail address or name.
        engineer_id "engineerId": EngineerRef,
        /// The role in the project; `member` when absent.
        role: Option<entity::MemberRole>,
    }
}

/// Answer of `DELETE …/members/{engineerId}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Always true. A failure has an error as its answer.
    pub removed: bool,
}
