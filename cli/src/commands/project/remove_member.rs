//! `nexus project remove-member`: takes somebody out of the project.

use crate::{
    client::Request,
    commands::people::reference::{PersonRef, person},
    context::Context,
    error::Error,
};
use clap::Args;
use nexus_api_types::project::Removed;

/// Take somebody out of the project of this repository
///
/// Their sessions in it end, and what they hold is free at once; what they wrote stays. For its leads, and for
/// everybody about themselves.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project remove-member ben@example.com
  nexus project remove-member Ben --project billing")]
pub(crate) struct RemoveMember {
    /// E-mail address, id or name
    #[arg(value_name = "PERSON", value_parser = person)]
    person: PersonRef,
}

impl RemoveMember {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let path = format!("/projects/{project}/members/{}", self.person.segment());
        let answer = context.client.send(Request::delete(path)).await?;
        context.out.answer(&answer, |_: Removed| {
            context.out.line(format_args!("{} is not in the project any more", self.person.as_str()))
        })
    }
}
