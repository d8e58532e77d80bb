//! `/auth`: registers engineers, and shows the caller.

use crate::{
    api::Api,
    auth::{NewKey, authenticate, token_digest},
    failure::ApiError,
    openapi::{Operation, Routes},
    rate_limits::{RemoteAddr, remote_addr},
    read::Read,
    write::Incoming,
};
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use nexus_api_types::{
    Code,
    engineer::{CheckedRegister, Me, Register, Registered},
};
use nexus_domain::{Actor, EngineerId, Reply, command, ids::KeyId, short_text::Label};

pub(super) fn routes() -> Routes {
    let registered = Operation::open("Register an engineer")
        .derives_a_key()
        .about(
            "The key is shown once. The bootstrap token of the first node makes the first admin. If registration is \
             by invitation, an admin sends the request with their own key.",
        )
        .body::<Register>()
        .answers::<Registered>(201);
    Routes::new()
        .post("/auth/register", register, registered.command("login --register -n NAME -e EMAIL"))
        .get(
            "/auth/me",
            me,
            Operation::read("Show the engineer of the key").answers::<Me>(200).command("whoami"),
        )
}

async fn register(
    State(api): State<Api>,
    remote: Option<Extension<RemoteAddr>>,
    headers: HeaderMap,
    incoming: Incoming,
) -> Result<Response, ApiError> {
    let CheckedRegister { name, email, bootstrap_token } = incoming.body::<Register>()?;
    let bootstrap = bootstrap_token.as_deref().map(token_digest);
    NewKey::check(incoming.idempotency.as_ref())?;

    let actor = inviter(&api, &headers).await?;
    if actor == Actor::Anonymous {
        let remote = remote_addr(remote.as_deref(), &headers, api.config.trust_proxy);
        api.rate_limits.admit_registration(remote)?;
    }
    let minted = NewKey::mint(&*api.mint, incoming.idempotency.as_ref());
    let (id, key_id) = (EngineerId(api.mint.id()), KeyId(api.mint.id()));
    let salt: [u8; 16] = api.mint.secret()[..16].try_into().expect("a secret has 32 bytes");
    let label = Label::parse("first key").expect("a short text is a label");
    let hashed = api.verifier.hash(move || {
        let key = minted.record(key_id, label, salt);
        (minted, key)
    });
    let (minted, key) = hashed.await?;
    let command =
        command::RegisterEngineer { id, name, email, key: key?, salt: minted.salt, bootstrap }.into();
    let done = incoming.propose_as(&api, actor, None, command).await?;
    let Reply::Registered { engineer, salt } = &done.reply else { return Err(done.unexpected()) };
    let api_key = minted.shown_first(incoming.idempotency.as_ref(), *salt).into_text();
    Ok(done.answer(StatusCode::CREATED, Registered { engineer: engineer.as_ref().into(), api_key }))
}

/// The engineer who registers another one, which matters where registration is by invitation. An invalid key is no
/// error, since old clients send one.
async fn inviter(api: &Api, headers: &HeaderMap) -> Result<Actor, ApiError> {
    match authenticate(&*api.cluster, &api.verifier, headers).await {
        Ok(caller) => Ok(caller.actor()),
        Err(error) if matches!(error.code, Code::Unauthorized | Code::InvalidApiKey) => Ok(Actor::Anonymous),
        Err(error) => Err(error),
    }
}

async fn me(read: Read) -> Result<Response, ApiError> {
    let (engineer, _) = read.identity()?;
    Ok(read.answer(Me::from(engineer.as_ref())))
}
