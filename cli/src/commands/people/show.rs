//! `nexus people show`: one person, and the projects that they are in.

use super::{
    reference::{PersonRef, person},
    role_name,
};
use crate::{
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::{engineer::EngineerDetail, project::MemberRole};

/// Show a person, and the projects of yours that they are in
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus people show ben@example.com
  nexus people show 'Ben B'")]
pub(crate) struct Show {
    /// Who: e-mail address, id or name
    #[arg(value_name = "PERSON", value_parser = person)]
    person: PersonRef,
}

impl Show {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::get(self.person.path())).await?;
        let out = context.out;
        out.answer(&answer, |shown: EngineerDetail| {
            out.title(&format!("{} <{}>", shown.engineer.name, shown.engineer.email))?;
            out.field("Id", shown.engineer.id)?;
            out.field("Role", role_name(shown.engineer.role))?;
            out.field("Since", out.clock().short(shown.created_at))?;
            if shown.projects.is_empty() {
                return Ok(());
            }
            out.line("")?;
            let mut table = Table::new(&["PROJECT", "NAME", "ROLE"]);
            for project in shown.projects {
                let role = match project.role {
                    MemberRole::Lead => ("lead", Tone::Good),
                    MemberRole::Member => ("member", Tone::Plain),
                };
                table.row([
                    (project.slug, Tone::Plain),
                    (project.name, Tone::Plain),
                    (role.0.to_owned(), role.1),
                ]);
            }
            out.table(&table)
        })
    }
}
