//! The result of one check of `nexus doctor`.

use crate::{
    context::Context,
    error::{Error, Report},
};
use serde::{Deserialize, Serialize};

/// The state of a checked item.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It works as it should.
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// It does not work.
    Bad,
}

/// One checked item, with its state.
#[derive(Serialize, Deserialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) status: State,
    pub(super) message: String,
    /// The remedy, as an instruction to the user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) fix: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: State::Ok, message: message.into(), fix: None }
    }

    pub(super) fn wrong(
        name: &str,
        status: State,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name: name.to_owned(), status, message: message.into(), fix: Some(fix.into()) }
    }

    pub(super) fn failed(name: &str, context: &Context<'_>, error: &Error) -> Self {
        let report = Report::new(error, context.out.clock());
        let lines = report.lines.iter().map(|line| format!("; {}", line.trim()));
        let message = report.message.clone() + &lines.collect::<String>();
        // Some reasons say what to do by themselves.
        let fix = Some(report.hints.join("; ")).filter(|fix| !fix.is_empty());
        Self { name: name.to_owned(), status: State::Bad, message, fix }
    }
}
