//! `nexus whoami`: as whom, where and in which project commands act.

use crate::{
    agent_run::Actor, client::Request, config::link, context::Context, error::Error, profile::Profile,
};
use clap::Args;
use nexus_api_types::engineer::{Me, Role};

/// Show the engineer, the session, the server and the project that commands use
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
            print_profile(context)?;
            let linked = link::find()?;
            if let Some(found) = &linked {
                context.act_as_live_session(found.link.project_id);
            }
            match context.actor() {
                Actor::Session(id) => out.field("Session", id)?,
                Actor::AgentRun { key, .. } => {
                    out.field("Run", key)?;
                    if let Some(session) = context.client.session() {
                        out.field("Session", session)?;
                    }
                }
                Actor::Engineer => {}
            }
            match linked {
                Some(found) => {
                    out.field("Project", format_args!("{} ({})", found.link.name(), found.path.display()))
                }
                None => Ok(()),
            }
        })
    }
}

/// The profile, where there are several.
fn print_profile(context: &Context<'_>) -> Result<(), Error> {
    let (current, named) = (Profile::current(), Profile::named());
    match current.name() {
        None if named.is_empty() => Ok(()),
        None => context.out.field("Profile", format_args!("default; others: {}", named.join(", "))),
        Some(name) => context.out.field("Profile", name),
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Engineer => "engineer",
        Role::Readonly => "readonly: may change nothing",
    }
}
