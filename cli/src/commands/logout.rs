//! `nexus logout`: forgets the saved API key, and keeps a copy of it. The key itself stays valid.

use crate::{
    answer::Answer, config::forgotten_keys, context::Context, error::Error, profile::Profile, spec::editor,
    text::plain,
};
use clap::Args;
use dialoguer::Confirm;
use serde_json::{Value, json};

/// Forget the saved API key
///
/// The key stays valid, and the cluster shows it to nobody again: so it is kept in a file in
/// ~/.nexus, unless --forget is given. The servers stay saved. On a terminal it asks first.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus logout
  nexus logout --forget --yes
  nexus logout --profile work")]
pub(crate) struct Logout {
    /// Keep no copy of the key
    #[arg(long)]
    forget: bool,
    /// Ask no question
    #[arg(long, short)]
    yes: bool,
}

impl Logout {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let Some(key) = context.login.token.clone() else {
            let answer = Answer::new(json!({ "loggedOut": false }));
            context.out.answer(&answer, |_: Value| context.out.line("Nobody was logged in"))?;
            warn_of_given(context);
            return Ok(());
        };
        let name = context.login.engineer_name.clone().unwrap_or_default();
        if !self.yes && !context.out.is_json() && editor::has_person() && !self.is_meant(&name)? {
            context.out.note("Nothing was changed");
            return Ok(());
        }
        // Before it is forgotten: what cannot be kept stays.
        let kept = if self.forget { None } else { Some(forgotten_keys::keep(&name, &key)?) };
        let mut saved = context.login.clone();
        saved.forget();
        context.login_file.write(&saved)?;
        let kept_in = kept.as_ref().map(|path| path.display().to_string());
        let answer = Answer::new(json!({ "loggedOut": true, "keptIn": kept_in }));
        context.out.answer(&answer, |_: Value| context.out.line("Logged out"))?;
        match kept {
            Some(path) => {
                let profile = Profile::current().name().map_or(String::new(), |name| format!("--profile {name} "));
                context.out.note(format_args!("The key is kept in {}", path.display()));
                context.out.note(format_args!(
                    "Next: nexus login {profile}--token - < {} logs in with it again",
                    quoted(&path.display().to_string())
                ));
            }
            None => context.out.note(
                "The key is forgotten. Without a copy of it, an admin or a lead of your project gives you a new one: \
                 nexus people reset-key EMAIL",
            ),
        }
        warn_of_given(context);
        Ok(())
    }

    /// Asks whether it is meant, and says what it costs.
    fn is_meant(&self, name: &str) -> Result<bool, Error> {
        let whose =
            if name.is_empty() { "The key".to_owned() } else { format!("The key of {}", plain(name)) };
        let cost = if self.forget {
            "is forgotten for good: the cluster cannot show it again"
        } else {
            "is moved to a file of its own"
        };
        let asked = Confirm::new().with_prompt(format!("{whose} {cost}. Log out")).default(!self.forget);
        asked.interact().map_err(|error| Error::local(format!("nothing was changed: {error}")))
    }
}

fn warn_of_given(context: &Context<'_>) {
    if context.given_token.is_some() {
        context.out.note("NEXUS_TOKEN is set and still counts");
    }
}

/// A path as it is typed into a shell.
fn quoted(path: &str) -> String {
    shlex::try_quote(path).map_or_else(|_| path.to_owned(), std::borrow::Cow::into_owned)
}
