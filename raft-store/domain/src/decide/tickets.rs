//! Decides about tickets for event sockets: one use each, in the whole cluster.

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

/// A ticket that is not used in this time is void: a page asks for one right before it connects.
const TICKET_TTL: Millis = Millis::from_secs(30);
/// Unused tickets of one engineer: more are asked for by a page that connects in a loop.
const MAX_OF_ENGINEER: usize = 100;
/// Unused tickets in the cluster: bounds memory.
const MAX_TICKETS: usize = 20_000;

/// Issues a ticket to whoever has a valid key, be it for reading only.
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

/// Takes a ticket out of the cluster and says whose it is.
pub(super) fn redeem(ctx: Context<'_>, digest: TokenDigest) -> Result<Decision, Refusal> {
    // Those that are over are gone: leases end before an entry is looked at.
    let ticket = ctx.state.ticket(digest).ok_or(Refusal::TicketInvalid)?;
    Ok(Decision::new(vec![Event::TicketRedeemed(ticket.clone())], Reply::Ticket(ticket.clone())))
}
