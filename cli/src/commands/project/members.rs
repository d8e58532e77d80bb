//! `nexus project members`: who is in the project.

use crate::{
    answer::Answer,
    args::values::member_role_name,
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
};
use clap::Args;
use nexus_api_types::project::{Member, MemberRole, ProjectDetail};
use serde_json::json;

/// Show who is in the project of this repository
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus project members
  nexus project members --project billing --json")]
pub(crate) struct Members {}

impl Members {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let answer = context.client.send(Request::get(format!("/projects/{project}"))).await?;
        let members = Answer::new(json!(answer.parse::<ProjectDetail>()?.members));
        context.out.answer(&members, |members: Vec<Member>| context.out.table(&table(members)))
    }
}

/// The members of a project, as a list.
pub(super) fn table(members: Vec<Member>) -> Table {
    let mut table = Table::new(&["MEMBER", "EMAIL", "ROLE"]);
    for member in members {
        let tone = if member.role == MemberRole::Lead { Tone::Good } else { Tone::Plain };
        let role = member_role_name(member.role).to_owned();
        table.row([(member.name, Tone::Plain), (member.email, Tone::Faint), (role, tone)]);
    }
    table
}
