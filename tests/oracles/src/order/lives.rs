//! The life of one session: it acts from its start to its end, and never again.

use super::search::{Interval, Object};
use crate::history::{Ask, Operation, OperationOutcome, SESSION_NOT_FOUND};

/// The beginning of the name of a session among those of paths.
const SESSION: &str = "session ";

/// The life of one session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) enum Life {
    /// Nobody has started it yet.
    #[default]
    ToCome,
    /// It acts, and holds what it takes.
    Lives,
    /// It is over for good.
    Over,
}

/// The part of an operation and its answer that is about the life of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Started,
    Acted,
    Missing,
    Ended,
}

impl Object for Life {
    type Operation = Sign;

    fn after(&self, sign: &Sign) -> Option<Self> {
        match (self, sign) {
            (Self::ToCome | Self::Lives, Sign::Started) | (Self::Lives, Sign::Acted) => Some(Self::Lives),
            (Self::Lives, Sign::Ended) => Some(Self::Over),
            (Self::ToCome | Self::Over, Sign::Missing) => Some(*self),
            (Self::Over, Sign::Started)
            | (Self::ToCome | Self::Over, Sign::Acted | Sign::Ended)
            | (Self::Lives, Sign::Missing) => None,
        }
    }

    fn observes(sign: &Sign) -> bool {
        matches!(sign, Sign::Acted | Sign::Missing)
    }
}

/// The name of a session among those of paths.
pub(super) fn session_name(session: &str) -> String {
    format!("{SESSION}{session}")
}

/// The sign of life that an operation gives of its session, and when; `None` if it says nothing.
pub(super) fn sign(operation: &Operation) -> Option<Interval<Sign>> {
    let (called, returned) = (operation.called_us, operation.returned_us);
    let (operation, returned) = match &operation.outcome {
        OperationOutcome::NotApplied => return None,
        OperationOutcome::Ok(_) => (carried_out(&operation.ask)?, returned),
        OperationOutcome::Unknown => (unknown(&operation.ask)?, None),
        OperationOutcome::Refused(answered) => {
            let is_missing = answered.code.as_deref() == Some(SESSION_NOT_FOUND);
            (is_missing.then_some(Sign::Missing)?, returned)
        }
    };
    Some(Interval { called, returned, operation })
}

fn carried_out(ask: &Ask) -> Option<Sign> {
    match ask {
        Ask::StartSession => Some(Sign::Started),
        Ask::EndSession => Some(Sign::Ended),
        Ask::Pick { .. }
        | Ask::PickNext
        | Ask::Release { .. }
        | Ask::Done { .. }
        | Ask::Claim { .. }
        | Ask::Unclaim { .. }
        | Ask::Beat => Some(Sign::Acted),
        Ask::Cancel { .. }
        | Ask::ForceRelease { .. }
        | Ask::ReadHolders { .. }
        | Ask::Write { .. }
        | Ask::Read { .. } => None,
    }
}

/// The change of a session's life if an operation was carried out after all.
fn unknown(ask: &Ask) -> Option<Sign> {
    carried_out(ask).filter(|sign| matches!(sign, Sign::Started | Sign::Ended))
}
