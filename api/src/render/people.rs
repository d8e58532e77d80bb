//! Converts engineers and projects to wire types.

use nexus_api_types::{engineer as wire, project as wire_project};
use nexus_domain::{
    State,
    entity::{ApiKey, Engineer, Member, MemberRole, Project, Role},
    pattern::Case,
};

/// An engineer as others see them.
pub(crate) fn engineer(engineer: &Engineer) -> wire::Engineer {
    wire::Engineer { id: engineer.id.0, name: engineer.name.to_string(), email: engineer.email.to_string() }
}

/// An engineer as they see themselves.
pub(crate) fn me(engineer: &Engineer) -> wire::Me {
    let role = match engineer.role {
        Role::Admin => wire::Role::Admin,
        Role::Engineer => wire::Role::Engineer,
        Role::Readonly => wire::Role::Readonly,
    };
    wire::Me { id: engineer.id.0, name: engineer.name.to_string(), email: engineer.email.to_string(), role }
}

/// A key as its owner sees it.
pub(crate) fn api_key(key: &ApiKey) -> wire::ApiKey {
    wire::ApiKey {
        id: key.id.0,
        label: key.label.to_string(),
        expires_at: key.expires_at.map(Into::into),
        project_id: key.project.map(|project| project.0),
        readonly: key.readonly,
        created_at: key.created_at.into(),
    }
}

/// A project as a wire type.
pub(crate) fn project(project: &Project) -> wire_project::Project {
    wire_project::Project {
        id: project.id.0,
        name: project.name.to_string(),
        slug: project.slug.to_string(),
        repo_url: project.repo_url.as_ref().map(ToString::to_string),
        repo_path: project.repo_path.as_ref().map(ToString::to_string),
        default_branch: project.default_branch.to_string(),
        case: match project.case {
            Case::Sensitive => wire_project::Case::Sensitive,
            Case::Insensitive => wire_project::Case::Insensitive,
        },
        created_at: project.created_at.into(),
        updated_at: project.updated_at.into(),
    }
}

/// A member with their name and address.
pub(crate) fn member(state: &State, member: &Member) -> wire_project::Member {
    let engineer = state.engineer(member.engineer);
    wire_project::Member {
        engineer_id: member.engineer.0,
        role: match member.role {
            MemberRole::Lead => wire_project::MemberRole::Lead,
            MemberRole::Member => wire_project::MemberRole::Member,
        },
        name: engineer.map(|engineer| engineer.name.to_string()).unwrap_or_default(),
        email: engineer.map(|engineer| engineer.email.to_string()).unwrap_or_default(),
    }
}
