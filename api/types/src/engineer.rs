//! Engineers and their keys on the wire.

use crate::{
    Moment,
    body::{ProjectRef, Unknown, body, words},
    project::MemberRole,
};
use nexus_domain::{
    entity,
    short_text::{Email, Label, Name},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The rights of an engineer in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Admin,
    /// May do everything in the engineer's own projects.
    Engineer,
    /// May only read.
    Readonly,
}

words!(entity::Role = Role, "must be admin, engineer or readonly": Admin, Engineer, Readonly);

/// An engineer as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Engineer {
    /// The id of the engineer.
    pub id: Uuid,
    /// The name of the engineer.
    pub name: String,
    /// The e-mail address, in lower case.
    pub email: String,
}

impl From<&entity::Engineer> for Engineer {
    fn from(engineer: &entity::Engineer) -> Self {
        Self { id: engineer.id.0, name: engineer.name.to_string(), email: engineer.email.to_string() }
    }
}

/// An engineer with their role in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The id of the engineer.
    pub id: Uuid,
    /// The name of the engineer.
    pub name: String,
    /// The e-mail address, in lower case.
    pub email: String,
    /// The role in the whole cluster.
    pub role: Role,
}

impl From<&entity::Engineer> for Me {
    fn from(engineer: &entity::Engineer) -> Self {
        let Engineer { id, name, email } = engineer.into();
        Self { id, name, email, role: engineer.role.into() }
    }
}

body! {
    /// Body of `POST /auth/register`.
    pub struct Register => CheckedRegister, Unknown::Ignored {
        /// The name: 1 to 100 characters.
        name: Name,
        /// The e-mail address: at most 255 characters.
        email: Email,
        /// The bootstrap token, which makes the first admin once.
        bootstrap_token "bootstrapToken": Option<String>,
    }
}

/// Answer of `POST /auth/register`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The new engineer.
    pub engineer: Engineer,
    /// The API key, which is shown only once.
    pub api_key: String,
}

/// An API key as its owner sees it, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The id of the key.
    pub id: Uuid,
    /// The label that the owner chose.
    pub label: String,
    /// The key is not accepted from then on.
    pub expires_at: Option<Moment>,
    /// The key is accepted for this project only.
    pub project_id: Option<Uuid>,
    /// Whether the key is accepted for reading only.
    pub readonly: bool,
    /// When the key was made.
    pub created_at: Moment,
}

impl From<&entity::ApiKey> for ApiKey {
    fn from(key: &entity::ApiKey) -> Self {
        Self {
            id: key.id.0,
            label: key.label.to_string(),
            expires_at: key.expires_at.map(Into::into),
            project_id: key.project.map(|project| project.0),
            readonly: key.readonly,
            created_at: key.created_at.into(),
        }
    }
}

body! {
    /// Body of `POST /auth/keys`.
    pub struct MintKey => CheckedMintKey, Unknown::Refused {
        /// A label for the owner.
        label: Option<Label>,
        /// The key is not accepted from then on; it does not expire when absent.
        expires_at "expiresAt": Option<Moment>,
        /// The key is accepted for this project only.
        project_id "projectId": Option<ProjectRef>,
        /// Whether the key is accepted for reading only.
        readonly: Option<bool>,
    }
}

/// Answer of `POST /auth/keys`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MintedKey {
    /// The stored properties of the key.
    #[serde(flatten)]
    pub key: ApiKey,
    /// The API key, which is shown only once.
    pub api_key: String,
}

body! {
    /// Body of `POST /engineers/{engineer}/keys`.
    pub struct ResetKey => CheckedResetKey, Unknown::Refused, derive(Default) {
        /// The key is not accepted from then on. When absent, an admin's key does not expire, and a lead's does after
        /// 30 days.
        expires_at "expiresAt": Option<Moment>,
        /// The key is accepted for this project only. Required for leads.
        project_id "projectId": Option<ProjectRef>,
        /// Whether the engineer's other keys stay valid, which admins may choose. When absent, those for the same
        /// project are revoked, or all of them where none is named.
        keep_others "keepOthers": Option<bool>,
    }
}

/// A project that an engineer is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// The id of the project.
    pub id: Uuid,
    /// The short name of the project.
    pub slug: String,
    /// The name of the project.
    pub name: String,
    /// The engineer's role in the project.
    pub role: MemberRole,
}

/// Answer of `GET /engineers/{engineer}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineerDetail {
    /// The engineer, with their role in the cluster.
    #[serde(flatten)]
    pub engineer: Me,
    /// When the engineer registered.
    pub created_at: Moment,
    /// The projects that the engineer is in, as far as the caller may see them.
    pub projects: Vec<Membership>,
}

body! {
    /// Body of `PATCH /engineers/{engineer}`.
    pub struct ChangeRole => CheckedChangeRole, Unknown::Refused {
        /// The new role.
        role: entity::Role,
    }
}
