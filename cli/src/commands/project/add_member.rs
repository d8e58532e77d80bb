//! `nexus project add-member`: lets somebody into the project.

use crate::{args::values, client::Request, context::Context, error::Error};
use clap::{Args, ValueEnum};
use nexus_api_types::project::{AddMember as Body, MemberRole};
use serde_json::Value;
use uuid::Uuid;

/// Add an engineer to the project of this repository
///
/// Only its leads and admins may do it. People see their own id with nexus whoami.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project add-member 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf
  nexus project add-member 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf --role lead")]
pub(crate) struct AddMember {
    /// Id of the engineer
    #[arg(value_name = "ENGINEER", value_parser = values::id)]
    engineer: Uuid,
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
        let body = Body { engineer_id: self.engineer, role };
        let answer =
            context.client.send(Request::post(format!("/projects/{project}/members")).body(&body)).await?;
        context.out.answer(&answer, |_: Value| {
            let role = if matches!(self.role, Some(Role::Lead)) { "lead" } else { "member" };
            context.out.line(format_args!("Added {} as {role}", self.engineer))
        })
    }
}
