//! `nexus people role`: what somebody may do in the whole cluster.

use super::reference::{PersonRef, person};
use crate::{args::values::role_name, client::Request, context::Context, error::Error};
use clap::{Args, ValueEnum};
use nexus_api_types::engineer::{ChangeRole, EngineerDetail, Me, Role};

/// Change what somebody may do in the whole cluster
///
/// For admins. What somebody may do in one project is said by nexus project add-member --role.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus people role ben@example.com readonly
  nexus people role ben@example.com admin")]
pub(crate) struct Change {
    /// E-mail address, id or name
    #[arg(value_name = "PERSON", value_parser = person)]
    person: PersonRef,
    /// Their role from now on
    #[arg(value_enum)]
    role: RoleArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Everything, in all projects
    Admin,
    /// Everything in their own projects
    Engineer,
    /// Reading alone, in their own projects
    Readonly,
}

impl Change {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let role = match self.role {
            RoleArg::Admin => Role::Admin,
            RoleArg::Engineer => Role::Engineer,
            RoleArg::Readonly => Role::Readonly,
        };
        // The request names them by their id: by then another one may have the name.
        let found: EngineerDetail = context.client.send(Request::get(self.person.path())).await?.parse()?;
        let path = format!("/engineers/{}", found.engineer.id);
        let request = Request::patch(path).body(&ChangeRole { role });
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |now: Me| {
            context.out.line(format_args!(
                "{} <{}> has the role {} now",
                now.name,
                now.email,
                role_name(now.role)
            ))
        })
    }
}
