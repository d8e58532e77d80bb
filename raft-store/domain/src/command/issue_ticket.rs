//! Issues a ticket for an event socket to an engineer with a valid API key, also with a read-only one.

use crate::{
    actor::Acting,
    decide::{Context, Decide, Decision, Facts, access::not_found},
    entity::{Ticket, TokenDigest},
    event::Event,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    time::Millis,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The lifetime of an unused ticket: a page requests one right before it connects.
const TICKET_TTL: Millis = Millis::from_secs(30);
/// Unused tickets of one engineer. A page that connects in a loop would request more.
const MAX_OF_ENGINEER: usize = 100;
/// Unused tickets in the cluster: bounds memory.
const MAX_TICKETS: usize = 20_000;

/// Issues a ticket that opens one event socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IssueTicket {
    /// The SHA-256 of the ticket.
    pub digest: TokenDigest,
}

impl Decide for IssueTicket {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.identified().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let digest = self.digest;
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
            return Err(Refusal::TooMany {
                what: "unused tickets".to_owned(),
                limit: MAX_OF_ENGINEER as u64,
            });
        }
        let expires = ctx.state.clock.cluster.after(TICKET_TTL);
        let ticket = Arc::new(Ticket { digest, engineer: engineer.id, key: key.id, session, expires });
        Ok(Decision::new(vec![Event::TicketIssued(ticket.clone())], Reply::Ticket(ticket)))
    }
}
