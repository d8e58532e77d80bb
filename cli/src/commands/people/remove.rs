//! `nexus people remove`: takes somebody out of the cluster.

use super::reference::{PersonRef, person};
use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::engineer::EngineerDetail;
use serde_json::Value;

/// Take somebody out of the cluster
///
/// Their keys, sessions and places in projects go, and their name and address; what they made stays with its projects.
/// For admins, and for everybody about themselves. nexus project remove-member takes them out of one project only.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus people remove ben@example.com --yes")]
pub(crate) struct Remove {
    /// E-mail address, id or name
    #[arg(value_name = "PERSON", value_parser = person)]
    pub(in crate::commands) person: PersonRef,
    /// It is meant
    #[arg(long)]
    pub(in crate::commands) yes: bool,
}

impl Remove {
    pub(in crate::commands) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let Self { person, yes } = self;
        // Who is meant is said before anything is gone, and the request names them by their id.
        let found: EngineerDetail = context.client.send(Request::get(person.path())).await?.parse()?;
        let who = crate::text::plain(&format!("{} <{}>", found.engineer.name, found.engineer.email));
        if !yes {
            return Err(Error::local(format!(
                "this takes {who} out of the cluster for good, with keys and sessions; say --yes if that is meant"
            )));
        }
        let path = format!("/engineers/{}", found.engineer.id);
        let answer = context.client.send(Request::delete(path)).await?;
        context.out.answer(&answer, |_: Value| context.out.line(format_args!("{who} is out of the cluster")))
    }
}
