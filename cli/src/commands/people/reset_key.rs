//! `nexus people reset-key`: gives somebody a new key in place of one that is lost.

use super::reference::{PersonRef, person};
use crate::{args::span, client::Request, context::Context, error::Error, spec::editor, text::plain};
use clap::Args;
use dialoguer::Confirm;
use nexus_api_types::engineer::{EngineerDetail, Me, MintedKey, ResetKey as Body, Role};
use std::time::Duration;

/// Give somebody a new API key, and print it, to be passed on to them
///
/// An admin's new key opens everything that the person may do, and their former keys end. A lead gives
/// one to a member of the project, for that project alone and for 30 days at most; former keys for it
/// end. No lead gives one to an admin. Only the key goes to stdout; it is shown this once. On a terminal it
/// asks first, unless --yes or --keep is given.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus people reset-key ben@example.com
  nexus people reset-key ben@example.com --yes --expires 7d > ben.key
  nexus people reset-key Ben --only-project --project billing")]
pub(crate) struct ResetKey {
    /// E-mail address, id or name
    #[arg(value_name = "PERSON", value_parser = person)]
    person: PersonRef,
    /// How long the key works; an admin's works for good by default
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    expires: Option<Duration>,
    /// It works in this project alone, as every key that a lead gives
    #[arg(long)]
    only_project: bool,
    /// Leave the person's other keys valid; for admins
    #[arg(long)]
    keep: bool,
    /// It is meant: ask no question
    #[arg(long)]
    yes: bool,
}

impl ResetKey {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        // Who is meant is said before a key ends, and the request names them by their id.
        let found: EngineerDetail = context.client.send(Request::get(self.person.path())).await?.parse()?;
        let who = plain(&format!("{} <{}>", found.engineer.name, found.engineer.email));
        let me: Me = context.client.send(Request::get("/auth/me")).await?.parse()?;
        let is_narrow = self.only_project || me.role != Role::Admin;
        let body = Body {
            expires_at: self.expires.map(span::from_now).transpose()?,
            project_id: if is_narrow { Some(context.project().await?) } else { None },
            keep_others: self.keep.then_some(true),
        };
        let ends = if body.project_id.is_some() {
            "their former keys for the project"
        } else {
            "all their former keys"
        };
        if !self.yes && !self.keep && !is_meant(context, &who, ends)? {
            context.out.note("Nothing was changed");
            return Ok(());
        }
        let request = Request::post(format!("/engineers/{}/keys", found.engineer.id)).body(&body);
        let answer = context.client.send(request).await?;
        let out = context.out;
        out.answer(&answer, |made: MintedKey| {
            out.line(made.api_key)?;
            out.note(format_args!("New key of {who}"));
            let ends =
                made.key.expires_at.map_or(String::new(), |at| format!(", until {}", out.clock().until(at)));
            let scope = if made.key.project_id.is_some() { " in this project alone" } else { "" };
            out.note(format_args!("It works{scope}{ends}, and is shown this once"));
            if !self.keep {
                let ended =
                    if made.key.project_id.is_some() { "Former keys for it" } else { "Their former keys" };
                out.note(format_args!("{ended} do not work any more"));
            }
            out.note("Next: pass it on; nexus login --token KEY saves it");
            Ok(())
        })
    }
}

/// Asks on a terminal whether it is meant, and says which keys end.
///
/// # Errors
/// When there is nobody to ask.
fn is_meant(context: &Context<'_>, who: &str, ends: &str) -> Result<bool, Error> {
    if context.out.is_json() || !editor::has_person() {
        return Err(Error::local(format!(
            "this gives {who} a new key, and {ends} do not work any more; say --yes if that is meant"
        )));
    }
    let prompt = format!("Give {who} a new key? Then {ends} do not work any more");
    let asked = Confirm::new().with_prompt(prompt).default(false);
    context.asking(|| asked.interact()).map_err(|error| Error::local(format!("nothing was changed: {error}")))
}
