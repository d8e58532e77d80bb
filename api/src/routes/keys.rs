//! `/auth/keys`: the API keys of the caller.

use crate::{
    api::Api,
    auth::NewKey,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    write::{Done, Write},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    engineer::{self as wire, CheckedMintKey, MintKey, MintedKey},
    feature::Deleted,
};
use nexus_domain::{
    Refusal, Reply,
    command::{self, NewApiKey},
    entity::ApiKey,
    ids::KeyId,
    short_text::Label,
};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes() -> Routes {
    let minted = Operation::write("Mint an API key for the caller")
        .about("The key is shown once. A key for one project or for reading alone cannot mint others.")
        .optional_body::<MintKey>()
        .answers::<MintedKey>(201);
    Routes::new()
        .get(
            "/auth/keys",
            list,
            Operation::read("List the caller's keys")
                .about("With a key for one project, those for that project.")
                .answers_list::<wire::ApiKey>()
                .command("keys list"),
        )
        .post("/auth/keys", mint, minted.command("keys create"))
        .delete(
            "/auth/keys/{key}",
            revoke,
            Operation::write("Revoke a key").answers::<Deleted>(200).command("keys revoke ID"),
        )
}

async fn list(read: Read) -> Result<Response, ApiError> {
    let (engineer, used) = read.identity()?;
    // Whoever gave a key for one project knows it, and learns nothing of what is used elsewhere.
    let shown = |key: &&Arc<ApiKey>| used.project.is_none() || key.project == used.project;
    let keys = read.view().state().keys_of(engineer.id).filter(shown);
    let keys: Vec<_> = keys.map(|key| wire::ApiKey::from(&**key)).collect();
    Ok(read.answer(keys))
}

async fn mint(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    let mut fields = write.incoming.fields()?;
    // Another spelling is accepted, too, since a restriction that is ignored would make a key with all rights. The key
    // is read-only if either says so.
    let other_spelling = fields.read::<Option<bool>>("readOnly").flatten();
    let CheckedMintKey { label, expires_at, project_id: project, readonly } = fields.checked::<MintKey>()?;
    let readonly = [readonly, other_spelling].contains(&Some(true));

    let project = match project {
        Some(named) => Some(write.project_id(&api, &named.0).await?),
        None => None,
    };
    let label = label.unwrap_or_else(|| Label::parse("key").expect("a short text is a label"));
    let (minted, key) = new_key(&api, &write, label).await?;
    let key = NewApiKey { expires_at: expires_at.map(|at| at.0), project, readonly, ..key };
    shown(write.propose(&api, command::AddKey { key }.into()).await?, minted)
}

/// A new key, and the record that is stored of it. A retry of the request makes the same key.
pub(super) async fn new_key(api: &Api, write: &Write, label: Label) -> Result<(NewKey, NewApiKey), ApiError> {
    let minted = NewKey::of_secret(write.secret(api));
    let id = KeyId(api.mint.id());
    let salt: [u8; 16] = api.mint.secret()[..16].try_into().expect("a secret has 32 bytes");
    let hashed = api.verifier.hash(move || {
        let key = minted.record(id, label, salt);
        (minted, key)
    });
    let (minted, key) = hashed.await?;
    Ok((minted, key?))
}

/// Answers with a key that was stored.
pub(super) fn shown(done: Done, minted: NewKey) -> Result<Response, ApiError> {
    let Reply::KeyAdded(key) = &done.reply else { return Err(done.unexpected()) };
    if key.prefix != minted.text.prefix() {
        // The first request had another key of the same engineer, which alone can derive the new key again.
        return Err(Refusal::IdempotencyKeyReused.into());
    }
    let api_key = minted.text.into_text();
    Ok(done.answer(StatusCode::CREATED, MintedKey { key: key.as_ref().into(), api_key }))
}

async fn revoke(State(api): State<Api>, Path(key): Path<String>, write: Write) -> Result<Response, ApiError> {
    write.no_fields()?;
    let key = key.parse::<Uuid>().map(KeyId).map_err(|_| ApiError::field("keyId", "must be a UUID"))?;
    let done = write.propose(&api, command::RevokeKey { key }.into()).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{
        service::router,
        sockets::tests::stage::{ANA, Stage},
    };
    use axum::{
        body::{Body, to_bytes},
        http::{Request, header},
    };
    use serde_json::Value;
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_key_that_is_restricted_in_one_spelling_is_restricted() {
        let stage = Stage::set();
        let key = stage.key(ANA, 1);
        let service = router(stage.api());
        for (body, restricted) in [
            (r#"{"readonly": false, "readOnly": true}"#, true),
            (r#"{"readonly": true, "readOnly": false}"#, true),
            (r#"{"readOnly": true}"#, true),
            (r#"{"readonly": false}"#, false),
            ("{}", false),
        ] {
            let request =
                Request::post("/api/auth/keys").header(header::AUTHORIZATION, format!("Bearer {key}"));
            let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body));
            let answer = service.clone().oneshot(request.unwrap()).await.unwrap();
            let answer = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["data"]["readonly"], restricted, "{body}: {answer}");
        }
    }
}
