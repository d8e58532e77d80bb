//! `nexus whoami`: as whom, where and in which project commands act.

use crate::{client::Request, config::link, context::Context, error::Error};
use clap::Args;
use nexus_api_types::engineer::{Me, Role};

/// Show as whom, where and in which project commands act
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus whoami
  nexus whoami --json")]
pub(crate) struct Whoami {}

impl Whoami {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let answer = context.client.send(Request::get("/auth/me")).await?;
        let out = context.out;
        out.answer(&answer, |me: Me| {
            out.field("Engineer", format_args!("{} <{}>", me.name, me.email))?;
            out.field("Role", role_name(me.role))?;
            out.field("Id", me.id)?;
            out.field("Server", context.client.server())?;
            if let Some(session) = context.session {
                out.field("Session", session)?;
            }
            match link::find()? {
                Some(found) => {
                    out.field("Project", format_args!("{} ({})", found.link.name(), found.path.display()))
                }
                None => Ok(()),
            }
        })
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Engineer => "engineer",
        Role::Readonly => "readonly: may change nothing",
    }
}
