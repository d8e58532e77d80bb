//! Uses up a ticket, and returns it. Each can be used once in the whole cluster.

use crate::{
    decide::{Context, Decide, Decision, Facts},
    entity::TokenDigest,
    event::Event,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Uses up a ticket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RedeemTicket {
    /// The SHA-256 of the ticket.
    pub digest: TokenDigest,
}

impl Decide for RedeemTicket {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        // Expired tickets were removed before the command was decided.
        let ticket = ctx.state.ticket(self.digest).ok_or(Refusal::TicketInvalid)?;
        Ok(Decision::new(vec![Event::TicketRedeemed(ticket.clone())], Reply::Ticket(ticket.clone())))
    }
}
