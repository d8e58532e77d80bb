//! `nexus people invite`: registers somebody else, and prints their key to be passed on.

use crate::{client::Request, context::Context, error::Error, text::plain};
use clap::Args;
use nexus_api_types::engineer::{Register, Registered};

/// Register somebody, and print their key, to be passed on to them
///
/// Where registration is by invitation, only an admin may. Only the key goes to stdout; it is shown this
/// once. Whoever passes it on has seen it: nexus keys create makes another one that nobody else knows.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus people invite --name Ben --email ben@example.com
  nexus people invite -n Ben -e ben@example.com > ben.key")]
pub(crate) struct Invite {
    /// Name that others see
    #[arg(long, short)]
    name: String,
    /// E-mail address, one engineer each
    #[arg(long, short)]
    email: String,
}

impl Invite {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        if !context.client.has_key() {
            return Err(Error::NotLoggedIn);
        }
        let body = Register { name: self.name, email: self.email, bootstrap_token: None };
        let answer = context.client.send(Request::post("/auth/register").body(&body)).await?;
        let out = context.out;
        out.answer(&answer, |made: Registered| {
            out.line(made.api_key)?;
            let person = made.engineer;
            out.note(plain(&format!(
                "Registered {} <{}>. The key is shown this once",
                person.name, person.email
            )));
            out.note(format_args!(
                "Next: they save it with nexus login --token KEY; nexus project add-member {} lets them in",
                person.email
            ));
            Ok(())
        })
    }
}
