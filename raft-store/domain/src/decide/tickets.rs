//! Decides about tickets for event sockets. Each can be used once in the whole cluster.

use super::{Context, Decision, access::not_found};
use crate::{
    command::Acting,
    entity::{Ticket, TokenDigest},
    event::Event,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    time::Millis,
};
use std::sync::Arc;

/// The lifetime of an unused ticket: a page requests one right before it connects.
const TICKET_TTL: Millis = Millis::from_secs(30);
/// Unused tickets of one engineer. A page that connects in a loop would request more.
const MAX_OF_ENGINEER: usize = 100;
/// Unused tickets in the cluster: bounds memory.
const MAX_TICKETS: usize = 20_000;

/// Issues a ticket to an engineer with a valid API key, also with a read-only one.
pub(super) fn issue(ctx: Context<'_>, digest: TokenDigest) -> Result<Decision, Refusal> {
    let (engineer, key) = ctx.identified()?;
    let session = match ctx.acting {
        Acting::Engineer { .. } => None,
        Acting::Session(id) => {
            let session = ctx.state.session(id).ok_or_else(|| not_found(EntityKind::Session, id))?;
            if session.engineer != engineer.id {
                return Err(Refusal::ForeignSession(id));
            }
            Some(id)
        }
    };
    let tickets = &ctx.state.tickets;
    let own = tickets.values().filter(|ticket| ticket.engineer == engineer.id);
    if tickets.len() >= MAX_TICKETS || own.take(MAX_OF_ENGINEER).count() == MAX_OF_ENGINEER {
        return Err(Refusal::TooMany { what: "unused tickets".to_owned(), limit: MAX_OF_ENGINEER as u64 });
    }
    let expires = ctx.state.clock.cluster.after(TICKET_TTL);
    let ticket = Arc::new(Ticket { digest, engineer: engineer.id, key: key.id, session, expires });
    Ok(Decision::new(vec![Event::TicketIssued(ticket.clone())], Reply::Ticket(ticket)))
}

/// Uses up a ticket, and returns it.
pub(super) fn redeem(ctx: Context<'_>, digest: TokenDigest) -> Result<Decision, Refusal> {
    // Expired tickets were removed before the command was looked at.
    let ticket = ctx.state.ticket(digest).ok_or(Refusal::TicketInvalid)?;
    Ok(Decision::new(vec![Event::TicketRedeemed(ticket.clone())], Reply::Ticket(ticket.clone())))
}
