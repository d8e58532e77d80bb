//! Engineers and their keys on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an engineer may do in the whole cluster.
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

/// The engineer that sent the request.
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

/// Body of `POST /auth/register`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// The name: 1 to 100 characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub name: String,
    /// The e-mail address: at most 255 characters.
    #[schema(format = Email, max_length = 255)]
    pub email: String,
    /// The bootstrap token, which makes the first admin once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<String>,
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

/// Body of `POST /auth/keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MintKey {
    /// A label for the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub label: Option<String>,
    /// The key is not accepted from then on; it does not expire when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// The key is accepted for this project only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub project_id: Option<Uuid>,
    /// Whether the key is accepted for reading only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly: Option<bool>,
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

/// Body of `PATCH /engineers/{engineerId}`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    /// The new role.
    pub role: Role,
}
