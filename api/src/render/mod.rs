//! Converts entities to wire types. It decides nothing, and cannot fail.

mod claim;
mod event;
mod feature;
mod knowledge;
mod people;
mod session;

pub(crate) use claim::{claim, claims_of_feature, conflict, holder_note};
pub(crate) use event::{event, event_text};
pub(crate) use feature::{blocked, blocked_by, feature, lane, spec_keys, specs, status_from};
pub(crate) use knowledge::{checkpoint, decision, learning};
pub(crate) use people::{api_key, engineer, me, member, project};
pub(crate) use session::{session, session_of};
