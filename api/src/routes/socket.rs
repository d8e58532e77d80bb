//! `/ws`, and tickets for browsers, which cannot send a header with the handshake.

use crate::{
    api::Api,
    auth::{self, Caller, authenticate, session_header, token_digest},
    cluster::Consistency,
    failure::ApiError,
    openapi::{Operation, Routes},
    sockets,
    write::{Incoming, Write},
};
use axum::{
    Router,
    extract::{
        Query, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::Response,
    routing::get,
};
use nexus_api_types::event::Ticket;
use nexus_domain::{Actor, Refusal, Reply, command, entity::TokenDigest};
use std::collections::HashMap;

/// The WebSocket route, which OpenAPI cannot describe.
pub(super) fn socket() -> Router<Api> {
    Router::new().route("/ws", get(open))
}

pub(super) fn routes() -> Routes {
    let issued = Operation::write("Issue a ticket for a WebSocket")
        .about("The ticket opens `/api/ws?ticket=…` once, on any node, within half a minute. Browsers need it, since they \
             cannot send a header with a key.");
    Routes::new().post(
        "/auth/ws-ticket",
        issue,
        issued
            .answers::<Ticket>(201)
            .without_command("Browsers need it, which send no header with a WebSocket."),
    )
}

async fn open(
    State(api): State<Api>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let ticket = query.get("ticket").filter(|_| !headers.contains_key(header::AUTHORIZATION));
    let ticket = ticket.map(|ticket| token_digest(ticket));
    // Authenticated before the upgrade, so that a request without a valid key gets an HTTP error and no socket.
    let caller = match ticket {
        Some(digest) => ticket_holder(&api, &headers, digest).await?,
        None => authenticate(&*api.cluster, &api.verifier, &headers).await?,
    };
    let view = api.cluster.local();
    caller.identity(&*api.cluster, view.state())?;
    let upgrade = upgrade.map_err(|_| {
        ApiError::field("Upgrade", "this is a WebSocket: send the headers of its handshake (RFC 6455)")
    })?;
    let permits = sockets::take_permits(&api, caller.engineer)?;
    // After the permits are taken: a refused client may retry with the same ticket, on any node.
    if let Some(digest) = ticket {
        redeem(&api, digest).await?;
    }
    Ok(sockets::upgrade(api, permits, caller, upgrade))
}

/// The caller that a ticket was issued to, by any node. A wrong ticket costs no log entry.
async fn ticket_holder(api: &Api, headers: &HeaderMap, digest: TokenDigest) -> Result<Caller, ApiError> {
    let session = session_header(headers)?;
    let known = api.cluster.local().state().ticket(digest).cloned();
    let ticket = match known {
        Some(ticket) => ticket,
        None => {
            // The ticket may have been issued through another node just now.
            let seen = api.cluster.read(Consistency::Linearizable, None).await?;
            seen.view.state().ticket(digest).cloned().ok_or(Refusal::TicketInvalid)?
        }
    };
    let session = session.or(ticket.session);
    Ok(Caller { engineer: ticket.engineer, key: ticket.key, session, by_ticket: true })
}

/// Redeems a ticket, which opens one socket only.
async fn redeem(api: &Api, digest: TokenDigest) -> Result<(), ApiError> {
    let write = Incoming::of_the_node();
    write.propose_as(api, Actor::Anonymous, None, command::RedeemTicket { digest }.into()).await?;
    Ok(())
}

async fn issue(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    write.no_fields()?;
    let ticket = auth::ticket(write.secret(&api));
    let digest = token_digest(&ticket);
    let done = write.propose(&api, command::IssueTicket { digest }.into()).await?;
    let Reply::Ticket(issued) = &done.reply else { return Err(done.unexpected()) };
    if issued.digest != digest {
        // The first request had another key of the same engineer, which alone can derive the ticket again.
        return Err(Refusal::IdempotencyKeyReused.into());
    }
    let expires_at = done.view.state().in_wall_time(issued.expires).into();
    Ok(done.answer(StatusCode::CREATED, Ticket { ticket, expires_at }))
}
