//! `nexus people show`: one person, and the projects that they are in.

use super::reference::{PersonRef, person};
use crate::{
    args::values::{member_role_name, role_name},
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
    /// E-mail address, id or name
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
                let tone = if project.role == MemberRole::Lead { Tone::Good } else { Tone::Plain };
                let role = member_role_name(project.role).to_owned();
                table.row([(project.slug, Tone::Plain), (project.name, Tone::Plain), (role, tone)]);
            }
            out.table(&table)
        })
    }
}
