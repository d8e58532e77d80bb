//! `nexus project add-member`: lets somebody into the project.

use crate::{
    args::values::member_role_name,
    client::Request,
    commands::people::reference::{PersonRef, person},
    context::Context,
    error::Error,
};
use clap::{Args, ValueEnum};
use nexus_api_types::project::{AddMember as Body, Member, MemberRole};

/// Add an engineer to the project of this repository
///
/// Only its leads and admins may do it. Somebody who has not registered yet is invited first: nexus people invite.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project add-member ben@example.com
  nexus project add-member ben@example.com --role lead
  nexus project add-member 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf")]
pub(crate) struct AddMember {
    /// E-mail address, id, or the name of somebody in a project of yours
    #[arg(value_name = "PERSON", value_parser = person)]
    person: PersonRef,
    /// Role in the project [default: member]
    #[arg(long, short, value_enum)]
    role: Option<Role>,
}

/// The rights of a member.
#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Works on it, and adds others
    Lead,
    /// Works on it
    Member,
}

impl AddMember {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let role = self.role.map(|role| match role {
            Role::Lead => MemberRole::Lead,
            Role::Member => MemberRole::Member,
        });
        let body = Body { engineer_id: self.person.as_str().to_owned(), role };
        let answer =
            context.client.send(Request::post(format!("/projects/{project}/members")).body(&body)).await?;
        context.out.answer(&answer, |added: Member| {
            let role = member_role_name(added.role);
            context.out.line(format_args!("Added {} <{}> as {role}", added.name, added.email))
        })
    }
}
