//! `nexus logout`: forgets the saved API key. The key itself stays valid.

use crate::{answer::Answer, context::Context, error::Error};
use clap::Args;
use serde_json::{Value, json};

/// Forget the saved API key
///
/// The key stays valid, since others may have it; the servers stay saved.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus logout")]
pub(crate) struct Logout {}

impl Logout {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let was_logged_in = context.login.token.is_some();
        if was_logged_in {
            let mut saved = context.login.clone();
            saved.forget();
            context.login_file.write(&saved)?;
        }
        let answer = Answer::new(json!({ "loggedOut": was_logged_in }));
        context.out.answer(&answer, |_: Value| {
            context.out.line(if was_logged_in { "Logged out" } else { "Nobody was logged in" })
        })?;
        if context.given_token.is_some() {
            context.out.note("NEXUS_TOKEN is set and still counts");
        }
        Ok(())
    }
}
