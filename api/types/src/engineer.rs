//! Engineers and their keys on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an engineer may do in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything in one's own projects.
    Engineer,
    /// Reading only.
    Readonly,
}

/// An engineer as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Engineer {
    /// Identity.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Address in lower case.
    pub email: String,
}

/// An engineer as they see themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Identity.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Address in lower case.
    pub email: String,
    /// Rights.
    pub role: Role,
}

/// Body of `POST /auth/register`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// 1 to 100 characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub name: String,
    /// At most 255 characters.
    #[schema(format = Email, max_length = 255)]
    pub email: String,
    /// Makes the first admin; once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<String>,
}

/// Answer of `POST /auth/register`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Who was made.
    pub engineer: Engineer,
    /// The key: shown this once.
    pub api_key: String,
}

/// A key as its owner sees it: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Identity.
    pub id: Uuid,
    /// What its owner calls it.
    pub label: String,
    /// Not accepted from then on.
    pub expires_at: Option<Moment>,
    /// Accepted for this project only.
    pub project_id: Option<Uuid>,
    /// Accepted for reading only.
    pub readonly: bool,
    /// Minting.
    pub created_at: Moment,
}

/// Body of `POST /auth/keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MintKey {
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub label: Option<String>,
    /// Not accepted from then on; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// Accepted for this project only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub project_id: Option<Uuid>,
    /// Accepted for reading only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly: Option<bool>,
}

/// Answer of `POST /auth/keys`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MintedKey {
    /// About the key.
    #[serde(flatten)]
    pub key: ApiKey,
    /// The key: shown this once.
    pub api_key: String,
}

/// Body of `PATCH /engineers/{engineerId}`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    /// New rights.
    pub role: Role,
}
